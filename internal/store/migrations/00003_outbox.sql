-- What is owed to whom: package outbox says how the rows move, and it alone reads and
-- writes them. Moments are microseconds since 1970, UTC; 0: none. Nothing about a person
-- stands here outside of body and receipt, which are encrypted.

-- +goose Up
-- A change that one destination must still be told: written once, deleted when it moves to
-- outbox_history.
CREATE TABLE outbox_change (
  seq         INTEGER PRIMARY KEY, -- order of acceptance, never given twice
  destination TEXT    NOT NULL,
  change_id   TEXT    NOT NULL,
  record      TEXT    NOT NULL,    -- opaque
  kind        TEXT    NOT NULL,
  version     INTEGER NOT NULL,    -- of the record
  enqueued_at INTEGER NOT NULL,
  body        BLOB    NOT NULL     -- the change, encrypted
);
CREATE UNIQUE INDEX outbox_change_id ON outbox_change (change_id, destination);

-- How it stands with each of them; narrow, since it is written at every attempt. A lane is
-- what one destination is owed of one record; only its oldest row has waits = 0.
CREATE TABLE outbox_owed (
  seq         INTEGER PRIMARY KEY, -- outbox_change.seq
  destination TEXT    NOT NULL,
  record      TEXT    NOT NULL,
  waits       INTEGER NOT NULL,    -- 1: an earlier change of the lane stands before it
  phase       TEXT    NOT NULL,    -- send, sending, ask, asking, receive, parked
  due_at      INTEGER NOT NULL,    -- when to go on; the end of the lease while somebody does
  number      INTEGER NOT NULL,    -- of the last attempt, from 1: the fencing token
  sends       INTEGER NOT NULL,    -- attempts that were deliveries
  tries       INTEGER NOT NULL,    -- of these, since the last replay, that may have arrived
  fails       INTEGER NOT NULL,    -- attempts in a row without an answer
  last_at     INTEGER NOT NULL,    -- when the last attempt began
  cause       TEXT    NOT NULL,
  code        TEXT    NOT NULL,
  detail      TEXT    NOT NULL,
  question    TEXT    NOT NULL,    -- arrived: it is unknown whether it did
  answered    INTEGER NOT NULL,    -- 1: somebody looked, and replays it by its name
  digest      BLOB,                -- keyed, of the last letter
  receipt     BLOB,                -- encrypted; what the ledger did not take
  replay      TEXT    NOT NULL,    -- the last replay that armed it
  parking     INTEGER NOT NULL     -- number of its last parking; 0: never parked
);
CREATE INDEX outbox_owed_lane ON outbox_owed (destination, record, seq);
CREATE INDEX outbox_owed_due ON outbox_owed (destination, due_at, seq) WHERE waits = 0 AND phase <> 'parked';
CREATE INDEX outbox_owed_parked ON outbox_owed (destination, seq) WHERE phase = 'parked';
CREATE INDEX outbox_owed_parking ON outbox_owed (parking) WHERE phase = 'parked';

-- How many parkings there were, in one row: each has a number, and they only grow.
CREATE TABLE outbox_parking (
  last INTEGER NOT NULL
);
INSERT INTO outbox_parking (last) VALUES (0);

-- What was delivered or discarded, with everything that stood of it.
CREATE TABLE outbox_history (
  seq         INTEGER PRIMARY KEY,
  destination TEXT    NOT NULL,
  change_id   TEXT    NOT NULL,
  record      TEXT    NOT NULL,
  kind        TEXT    NOT NULL,
  version     INTEGER NOT NULL,
  enqueued_at INTEGER NOT NULL,
  body        BLOB    NOT NULL,
  phase       TEXT    NOT NULL,    -- as it was discarded
  number      INTEGER NOT NULL,
  sends       INTEGER NOT NULL,
  tries       INTEGER NOT NULL,
  fails       INTEGER NOT NULL,
  last_at     INTEGER NOT NULL,
  cause       TEXT    NOT NULL,
  code        TEXT    NOT NULL,
  detail      TEXT    NOT NULL,
  question    TEXT    NOT NULL,
  answered    INTEGER NOT NULL,
  digest      BLOB,
  receipt     BLOB,
  replay      TEXT    NOT NULL,
  parking     INTEGER NOT NULL,
  state       TEXT    NOT NULL,    -- delivered, discarded
  ended_at    INTEGER NOT NULL,
  mark_by     TEXT    NOT NULL,    -- 職員番号 of who discarded it
  mark_reason TEXT    NOT NULL
);
CREATE UNIQUE INDEX outbox_history_id ON outbox_history (change_id, destination);
CREATE INDEX outbox_history_lane ON outbox_history (record, destination, seq);

-- Attempts that have ended, deliveries and confirmations alike.
CREATE TABLE outbox_attempt (
  seq      INTEGER NOT NULL,       -- outbox_change.seq
  number   INTEGER NOT NULL,
  confirm  INTEGER NOT NULL,       -- 1: the neighbour was asked, not told
  at       INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  outcome  TEXT    NOT NULL,
  code     TEXT    NOT NULL,
  digest   BLOB,
  replay   TEXT    NOT NULL,
  PRIMARY KEY (seq, number)
);

-- Replays, and what each has frozen: by the number of the last parking, so that what is
-- parked afterwards is none of it.
CREATE TABLE outbox_replay (
  id          TEXT    NOT NULL PRIMARY KEY,
  at          INTEGER NOT NULL,
  by          TEXT    NOT NULL,    -- 職員番号
  reason      TEXT    NOT NULL,
  named       INTEGER NOT NULL,    -- 1: each change was named, and is an item from the beginning
  state       TEXT    NOT NULL,    -- running, stopped, done
  destination TEXT    NOT NULL,    -- of the filter, as the next three; empty or 0: any
  record      TEXT    NOT NULL,
  cause       TEXT    NOT NULL,
  owed_before INTEGER NOT NULL,
  bound       INTEGER NOT NULL,    -- number of the last parking that is meant
  total       INTEGER NOT NULL,    -- rows that were frozen
  reached     INTEGER NOT NULL,    -- number of the last parking that it has come to
  filled      INTEGER NOT NULL     -- 1: it has come to all of them
);
CREATE INDEX outbox_replay_at ON outbox_replay (at);
CREATE INDEX outbox_replay_running ON outbox_replay (at) WHERE state = 'running';

-- The rows that a replay has come to.
CREATE TABLE outbox_replay_item (
  replay  TEXT    NOT NULL,
  seq     INTEGER NOT NULL,        -- outbox_change.seq
  parking INTEGER NOT NULL,        -- of the row, when it was frozen
  state   TEXT    NOT NULL,        -- waiting, armed, delivered, parked, skipped
  why     TEXT    NOT NULL,        -- why it was skipped
  PRIMARY KEY (replay, seq)
);
CREATE INDEX outbox_replay_item_open ON outbox_replay_item (replay, state, seq) WHERE state IN ('waiting', 'armed');
