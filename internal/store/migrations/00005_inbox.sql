-- Change notices from the city's own systems: package inbox says how the rows move, and it
-- alone reads and writes inbox_notice. Moments are microseconds since 1970, UTC; 0: none.
-- Nothing about a person stands there outside of body, which is encrypted.

-- +goose Up
CREATE TABLE inbox_notice (
  seq         INTEGER PRIMARY KEY,
  name        TEXT    NOT NULL,    -- N-…: keyed hash of source and id, by which a notice is kept once
  source      TEXT    NOT NULL,    -- as the event says it; empty: it has not the shape of one
  type        TEXT    NOT NULL,    -- of what could be read; empty: nothing could
  lane        TEXT    NOT NULL,    -- keyed hash of the person; empty: unknown, or settled
  topic       TEXT    NOT NULL,    -- where it was read, as the next two; empty: it came by the API
  part        INTEGER NOT NULL,    -- partition
  place       INTEGER NOT NULL,    -- offset
  event_at    INTEGER NOT NULL,    -- as the event says
  received_at INTEGER NOT NULL,
  state       TEXT    NOT NULL,    -- due, working, waiting, parked, settled, discarded
  due_at      INTEGER NOT NULL,    -- when to go on; the end of the lease while somebody does
  number      INTEGER NOT NULL,    -- of the last attempt, from 1: the fencing token
  fails       INTEGER NOT NULL,    -- attempts in a row without an answer
  last_at     INTEGER NOT NULL,    -- when the last attempt began
  cause       TEXT    NOT NULL,
  code        TEXT    NOT NULL,
  result      TEXT    NOT NULL,    -- of a settled one: refreshed, not_ours
  ended_at    INTEGER NOT NULL,
  mark_by     TEXT    NOT NULL,    -- 職員番号 of who discarded it
  mark_reason TEXT    NOT NULL,
  body        BLOB                 -- encrypted: what it says, or its bytes where that is unknown; NULL: settled
);
CREATE UNIQUE INDEX inbox_notice_name ON inbox_notice (name);
CREATE INDEX inbox_notice_due ON inbox_notice (due_at, seq) WHERE state = 'due';
CREATE INDEX inbox_notice_working ON inbox_notice (lane) WHERE state = 'working';
CREATE INDEX inbox_notice_lane ON inbox_notice (lane, seq) WHERE state IN ('due', 'waiting', 'working');
CREATE INDEX inbox_notice_open ON inbox_notice (seq) WHERE state IN ('due', 'working', 'waiting', 'parked');
CREATE INDEX inbox_notice_ended ON inbox_notice (ended_at) WHERE state IN ('settled', 'discarded');

-- What was seen of a person of the ledger after a notice: package ledgerdb reads and writes
-- it. No value stands here but the state of residence; of every other item a keyed digest.
CREATE TABLE ledger_sight (
  atena_number TEXT    NOT NULL, -- 宛名番号
  system       TEXT    NOT NULL,
  back         INTEGER NOT NULL, -- 0: the present one; 1: the one before
  seen_at      TEXT    NOT NULL, -- RFC 3339, UTC
  as_of        TEXT    NOT NULL, -- 基準日, as the system says; empty: it says none
  outcome      TEXT    NOT NULL, -- found, no_person
  residency    TEXT    NOT NULL, -- 住民状態; empty: not asked for, or the system does not know the person
  protection   TEXT    NOT NULL, -- yes, no, unread
  notice       TEXT    NOT NULL, -- name of the newest notice that led to it
  kind         TEXT    NOT NULL, -- of that notice
  effective    TEXT    NOT NULL, -- of that notice: 異動日
  received_at  TEXT    NOT NULL, -- of that notice
  digests      TEXT    NOT NULL, -- item:keyed digest, separated by spaces
  changed      TEXT    NOT NULL, -- items that are not what they were at the sight before, separated by spaces
  PRIMARY KEY (atena_number, system, back)
);
