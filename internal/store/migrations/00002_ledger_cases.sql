-- Cases (案件) of the case system, opened and closed through the API. Package ledgerdb
-- reads and writes them.

-- +goose Up
CREATE TABLE ledger_case (
  id        TEXT NOT NULL PRIMARY KEY, -- 案件番号
  procedure TEXT NOT NULL,    -- 事務手続
  opened_at TEXT NOT NULL,
  closed_at TEXT,             -- NULL: open
  opened_by TEXT NOT NULL
);

CREATE TABLE ledger_case_person (
  case_id      TEXT NOT NULL REFERENCES ledger_case (id),
  atena_number TEXT NOT NULL, -- 宛名番号
  PRIMARY KEY (case_id, atena_number)
);
