import GRDB

/// The tables, by version; an older file is brought up to date, step by step. `Docs/HISTORY.md` says what they mean.
enum HistorySchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: sessions, inputs, entries, actions") { db in try db.execute(sql: first) }
    migrator.registerMigration("2: stretches, key frames, tables to ask") { db in
      try db.execute(sql: second)
      try db.execute(sql: HistoryViews.sql)
      try LegacyEntries.convert(db)
    }
    migrator.registerMigration("3: how long cells were suspended") { db in
      try db.execute(sql: HistoryViews.suspensions)
    }
    return migrator
  }

  private static let first = """
    CREATE TABLE session (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      kind TEXT NOT NULL,
      host TEXT NOT NULL,
      user TEXT NOT NULL,
      began_us INTEGER NOT NULL,
      ended_us INTEGER,
      digest TEXT,
      note TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE TABLE entry (
      session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
      sequence INTEGER NOT NULL,
      at_us INTEGER NOT NULL,
      event BLOB NOT NULL,
      PRIMARY KEY (session, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE input (
      session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
      ordinal INTEGER NOT NULL,
      at_us INTEGER NOT NULL,
      after_sequence INTEGER NOT NULL,
      input BLOB NOT NULL,
      PRIMARY KEY (session, ordinal)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE action (
      session INTEGER NOT NULL REFERENCES session(id) ON DELETE CASCADE,
      sequence INTEGER NOT NULL,
      at_us INTEGER NOT NULL,
      author TEXT NOT NULL,
      verb TEXT NOT NULL,
      notebook INTEGER,
      why TEXT NOT NULL,
      refused TEXT,
      PRIMARY KEY (session, sequence)
    ) STRICT, WITHOUT ROWID;
    """

  private static let second = """
    ALTER TABLE session ADD COLUMN recorder TEXT;
    CREATE TABLE stretch (
      session INTEGER NOT NULL,
      first INTEGER NOT NULL,
      last INTEGER NOT NULL,
      first_us INTEGER NOT NULL,
      last_us INTEGER NOT NULL,
      format INTEGER NOT NULL,
      digest INTEGER NOT NULL,
      log BLOB NOT NULL,
      PRIMARY KEY (session, first)
    ) STRICT;
    CREATE TABLE keyframe (
      session INTEGER NOT NULL,
      kind INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      at_us INTEGER NOT NULL,
      version INTEGER NOT NULL,
      digest INTEGER NOT NULL,
      frame BLOB NOT NULL,
      PRIMARY KEY (session, kind, sequence)
    ) STRICT;
    CREATE TABLE notebook (
      session INTEGER NOT NULL,
      notebook INTEGER NOT NULL,
      node INTEGER NOT NULL,
      user TEXT NOT NULL,
      path TEXT NOT NULL,
      kernel TEXT NOT NULL,
      gate TEXT NOT NULL,
      priority INTEGER NOT NULL,
      priority_first INTEGER NOT NULL,
      opened INTEGER NOT NULL,
      opened_us INTEGER NOT NULL,
      closed INTEGER,
      closed_us INTEGER,
      cells INTEGER NOT NULL,
      failed INTEGER NOT NULL,
      waited_us INTEGER NOT NULL,
      ran_us INTEGER NOT NULL,
      PRIMARY KEY (session, notebook)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE cell (
      session INTEGER NOT NULL,
      cell INTEGER NOT NULL,
      notebook INTEGER NOT NULL,
      queued INTEGER NOT NULL,
      submitted_us INTEGER NOT NULL,
      started_us INTEGER,
      ended_us INTEGER,
      outcome TEXT,
      ran_us INTEGER NOT NULL,
      core_us INTEGER NOT NULL,
      gpu_us INTEGER NOT NULL,
      suspensions INTEGER NOT NULL,
      cores INTEGER NOT NULL,
      gpus INTEGER NOT NULL,
      memory INTEGER NOT NULL,
      code INTEGER,
      basis INTEGER,
      forecast_p05_us INTEGER,
      forecast_p50_us INTEGER,
      forecast_p95_us INTEGER,
      PRIMARY KEY (session, cell)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE usage (
      session INTEGER NOT NULL,
      notebook INTEGER NOT NULL,
      at_us INTEGER NOT NULL,
      millicores INTEGER NOT NULL,
      memory INTEGER NOT NULL,
      PRIMARY KEY (session, notebook, at_us)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE marker (
      session INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      at_us INTEGER NOT NULL,
      kind TEXT NOT NULL,
      notebook INTEGER,
      PRIMARY KEY (session, sequence, kind)
    ) STRICT, WITHOUT ROWID;
    """
}
