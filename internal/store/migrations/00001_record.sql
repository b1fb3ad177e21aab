-- The record: package audit says what each table is for and what proves it.
-- Rows of these tables are written once. Nothing here is ever updated; audit_queue alone
-- loses rows, when what they name is sealed.

-- +goose Up
CREATE TABLE audit_entry (
  id       INTEGER PRIMARY KEY, -- order of commitment
  writer   TEXT    NOT NULL,    -- one run of one gateway
  number   INTEGER NOT NULL,    -- running number of that writer, from 1
  at       TEXT    NOT NULL,    -- RFC 3339, UTC, nine digits of a second
  kind     TEXT    NOT NULL,
  lookup   TEXT    NOT NULL,    -- 照会番号, or empty
  staff    TEXT    NOT NULL,    -- 職員番号, or empty
  case_id  TEXT    NOT NULL,    -- 案件番号, or empty
  subjects TEXT    NOT NULL,    -- whom it concerns: role:宛名番号, separated by spaces
  void     TEXT    NOT NULL,    -- the writer's numbers that no entry bears: 5-9,12
  body     TEXT    NOT NULL,    -- the rest, JSON
  salt     BLOB    NOT NULL,
  mac      BLOB    NOT NULL     -- keyed hash of all of the above but id
);
CREATE INDEX audit_entry_at ON audit_entry (at);
CREATE INDEX audit_entry_opened ON audit_entry (id) WHERE kind = 'opened';

-- Entries that wait to be sealed.
CREATE TABLE audit_queue (
  entry INTEGER PRIMARY KEY     -- audit_entry.id
);

-- The leaves of the Merkle tree, one for each sealed entry.
CREATE TABLE audit_leaf (
  position INTEGER PRIMARY KEY, -- from 0
  entry    INTEGER NOT NULL,    -- audit_entry.id
  lookup   TEXT    NOT NULL,    -- audit_entry.lookup, so that it is found
  hash     BLOB    NOT NULL     -- RFC 6962
);
CREATE INDEX audit_leaf_entry ON audit_leaf (entry);
CREATE INDEX audit_leaf_lookup ON audit_leaf (lookup) WHERE lookup <> '';

-- Whom a sealed entry concerns: audit_entry.subjects, a row for each person.
CREATE TABLE audit_subject (
  id           INTEGER PRIMARY KEY,
  entry        INTEGER NOT NULL, -- audit_entry.id
  atena_number TEXT    NOT NULL, -- 宛名番号
  role         TEXT    NOT NULL
);
CREATE INDEX audit_subject_atena ON audit_subject (atena_number, entry);

-- Signed heads of the tree. hashes are the roots of its perfect subtrees, left to right,
-- so that sealing goes on without reading all leaves.
CREATE TABLE audit_checkpoint (
  size   INTEGER PRIMARY KEY,
  hashes BLOB    NOT NULL,
  note   TEXT    NOT NULL
);
