-- Cases (案件) of the case system, opened and closed through the API. Package ledgerdb
-- reads and writes them.

-- +goose Up
CREATE TABLE ledger_case (
  id        TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- 案件番号
  procedure TEXT COLLATE "C" NOT NULL,    -- 事務手続
  opened_at TEXT COLLATE "C" NOT NULL,
  closed_at TEXT COLLATE "C",             -- NULL: open
  opened_by TEXT COLLATE "C" NOT NULL
);

CREATE TABLE ledger_case_person (
  case_id      TEXT COLLATE "C" NOT NULL REFERENCES ledger_case (id),
  atena_number TEXT COLLATE "C" NOT NULL, -- 宛名番号
  PRIMARY KEY (case_id, atena_number)
);
