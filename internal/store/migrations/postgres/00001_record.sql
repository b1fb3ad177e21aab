-- The record: package audit says what each table is for and what proves it.
-- Rows of these tables are written once. Nothing here is ever updated but audit_writer;
-- audit_queue alone loses rows, when what they name is sealed.

-- +goose Up
CREATE SEQUENCE audit_entry_id;
CREATE TABLE audit_entry (
  id       BIGINT NOT NULL DEFAULT nextval('audit_entry_id'), -- not in order of commitment
  writer   TEXT COLLATE "C" NOT NULL, -- one run of one gateway
  number   BIGINT           NOT NULL, -- running number of that writer, from 1
  at       TEXT COLLATE "C" NOT NULL, -- RFC 3339, UTC, nine digits of a second
  kind     TEXT COLLATE "C" NOT NULL,
  lookup   TEXT COLLATE "C" NOT NULL, -- 照会番号, or empty
  staff    TEXT COLLATE "C" NOT NULL, -- 職員番号, or empty
  case_id  TEXT COLLATE "C" NOT NULL, -- 案件番号, or empty
  subjects TEXT COLLATE "C" NOT NULL, -- whom it concerns: role:宛名番号, separated by spaces
  void     TEXT COLLATE "C" NOT NULL, -- the writer's numbers that no entry bears: 5-9,12
  body     TEXT COLLATE "C" NOT NULL, -- the rest, JSON
  salt     BYTEA            NOT NULL,
  mac      BYTEA            NOT NULL, -- keyed hash of all of the above but id
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE audit_entry_id OWNED BY audit_entry.id;
-- A net under the months: kakehashi_partitions makes those ahead of time.
CREATE TABLE audit_entry_default PARTITION OF audit_entry DEFAULT;
CREATE INDEX audit_entry_at ON audit_entry (at, id);
CREATE INDEX audit_entry_writer ON audit_entry (writer, number);

-- Entries that wait to be sealed.
CREATE TABLE audit_queue (
  entry BIGINT           NOT NULL PRIMARY KEY, -- audit_entry.id
  at    TEXT COLLATE "C" NOT NULL DEFAULT ''   -- audit_entry.at; empty: not known
);

-- The leases: a row for each run of each gateway. The record proves what it proves without
-- this table.
CREATE TABLE audit_writer (
  writer  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  beats   BIGINT NOT NULL DEFAULT 0, -- grows while it lives
  low     BIGINT NOT NULL DEFAULT 1, -- its numbers below are written or void, and its intents there have ended
  settled BIGINT NOT NULL DEFAULT 0  -- its last number, once it is gone; 0: it lives
) WITH (fillfactor = 50);
CREATE INDEX audit_writer_alive ON audit_writer (writer) WHERE settled = 0;

-- The leaves of the Merkle tree, one for each sealed entry.
CREATE TABLE audit_leaf (
  position BIGINT           NOT NULL PRIMARY KEY, -- from 0
  entry    BIGINT           NOT NULL,             -- audit_entry.id
  lookup   TEXT COLLATE "C" NOT NULL,             -- audit_entry.lookup, so that it is found
  hash     BYTEA            NOT NULL,             -- RFC 6962
  at       TEXT COLLATE "C" NOT NULL DEFAULT ''   -- audit_entry.at; empty: not known
);
CREATE INDEX audit_leaf_entry ON audit_leaf (entry);
CREATE INDEX audit_leaf_lookup ON audit_leaf (lookup) WHERE lookup <> '';

-- Whom a sealed entry concerns: audit_entry.subjects, a row for each person.
CREATE TABLE audit_subject (
  id           BIGINT           NOT NULL PRIMARY KEY, -- from 1, in the order of sealing
  entry        BIGINT           NOT NULL,             -- audit_entry.id
  atena_number TEXT COLLATE "C" NOT NULL,             -- 宛名番号
  role         TEXT COLLATE "C" NOT NULL,
  at           TEXT COLLATE "C" NOT NULL DEFAULT ''   -- audit_entry.at; empty: not known
);
CREATE INDEX audit_subject_atena ON audit_subject (atena_number, entry);

-- Signed heads of the tree. hashes are the roots of its perfect subtrees, left to right,
-- so that sealing goes on without reading all leaves.
CREATE TABLE audit_checkpoint (
  size   BIGINT           NOT NULL PRIMARY KEY,
  hashes BYTEA            NOT NULL,
  note   TEXT COLLATE "C" NOT NULL
);
