-- Persons, beneficiaries (entitlements) and the commands that made them. Package ledgerdb
-- reads and writes them. Moments are RFC 3339 in UTC, days are ISO 8601.

-- +goose Up
CREATE TABLE ledger_person (
  id           TEXT NOT NULL PRIMARY KEY, -- the ledger's own, opaque
  atena_number TEXT,            -- 宛名番号; NULL: none assigned yet
  identity_key TEXT,            -- of who was named by an identity: two spellings have one key
  name         TEXT NOT NULL,   -- what an application said; empty for a resident
  kana         TEXT NOT NULL,
  birth_date   TEXT NOT NULL,
  sex          TEXT NOT NULL,
  address      TEXT NOT NULL
);
CREATE UNIQUE INDEX ledger_person_atena ON ledger_person (atena_number);
CREATE UNIQUE INDEX ledger_person_identity ON ledger_person (identity_key);

-- One row for each entitlement. A child has one.
CREATE TABLE ledger_beneficiary (
  id          TEXT    NOT NULL PRIMARY KEY, -- opaque; may stand in a URL
  number      TEXT    NOT NULL, -- 受給者番号
  child_id    TEXT    NOT NULL REFERENCES ledger_person (id), -- 対象児童
  guardian_id TEXT    NOT NULL REFERENCES ledger_person (id), -- 受給資格者
  birth_date  TEXT    NOT NULL, -- the child's; empty: not said
  applied_on  TEXT    NOT NULL,
  first_day   TEXT    NOT NULL,
  last_day    TEXT    NOT NULL, -- empty: not known
  version     INTEGER NOT NULL, -- 1 when registered
  changed_at  TEXT    NOT NULL, -- of this version
  changed_by  TEXT    NOT NULL  -- 職員番号 of this version
);
CREATE UNIQUE INDEX ledger_beneficiary_number ON ledger_beneficiary (number);
CREATE UNIQUE INDEX ledger_beneficiary_child ON ledger_beneficiary (child_id);
CREATE INDEX ledger_beneficiary_guardian ON ledger_beneficiary (guardian_id);

-- 送付先 with its history: the highest version of a beneficiary is the present one.
CREATE TABLE ledger_mailing (
  beneficiary_id TEXT    NOT NULL REFERENCES ledger_beneficiary (id),
  version        INTEGER NOT NULL, -- of the beneficiary, as the change left it
  change_id      TEXT    NOT NULL,
  name           TEXT    NOT NULL,
  postal_code    TEXT    NOT NULL,
  address        TEXT    NOT NULL,
  address_extra  TEXT    NOT NULL,
  first_day      TEXT    NOT NULL,
  PRIMARY KEY (beneficiary_id, version)
);

-- Every command that was carried out, once: the same press of a button finds its own.
CREATE TABLE ledger_command (
  id             TEXT    NOT NULL PRIMARY KEY, -- of its first change
  body           TEXT    NOT NULL, -- keyed digest of what was asked
  made_by        TEXT    NOT NULL, -- 職員番号
  made_at        TEXT    NOT NULL,
  kind           TEXT    NOT NULL, -- registration, mailing_address
  beneficiary_id TEXT    NOT NULL,
  version        INTEGER NOT NULL, -- of the beneficiary, as the command left it
  changes        INTEGER NOT NULL  -- how many facts it changed
);

-- Changes that cannot be told before their person has a 宛名番号. They leave when it comes.
CREATE TABLE ledger_held (
  id             INTEGER PRIMARY KEY, -- in the order in which they were made
  change_id      TEXT    NOT NULL,
  person_id      TEXT    NOT NULL REFERENCES ledger_person (id),
  beneficiary_id TEXT    NOT NULL REFERENCES ledger_beneficiary (id),
  version        INTEGER NOT NULL,
  kind           TEXT    NOT NULL,
  operator       TEXT    NOT NULL, -- 職員番号 of who made it
  made_at        TEXT    NOT NULL
);
CREATE UNIQUE INDEX ledger_held_change ON ledger_held (change_id);
CREATE INDEX ledger_held_person ON ledger_held (person_id, id);
CREATE INDEX ledger_held_beneficiary ON ledger_held (beneficiary_id, id);

-- Which change tells that this business uses a person's data: the newest is the one that
-- counts. Another is made only where the one before was left untold.
CREATE TABLE ledger_use (
  id        INTEGER PRIMARY KEY, -- in the order in which they were made
  change_id TEXT    NOT NULL,
  person_id TEXT    NOT NULL REFERENCES ledger_person (id)
);
CREATE UNIQUE INDEX ledger_use_change ON ledger_use (change_id);
CREATE INDEX ledger_use_person ON ledger_use (person_id, id);

-- Running numbers.
CREATE TABLE ledger_counter (
  name  TEXT    NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL -- the last that was given
);
