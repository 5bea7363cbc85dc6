/// Views that make a question a line of SQL. Times of day are local; lengths are seconds.
enum HistoryViews {
  /// A cell's wall-clock of suspension is what neither its wait nor its run accounts for.
  static let suspensions = """
    CREATE VIEW suspensions AS
      SELECT c.session, c.cell, n.user, n.path, c.outcome,
        date((s.began_us + c.submitted_us) / 1000000, 'unixepoch', 'localtime') AS day,
        c.suspensions AS times, (c.ended_us - c.started_us - c.ran_us) / 1e6 AS suspended, c.ran_us / 1e6 AS ran
      FROM cell c JOIN session s ON s.id = c.session
        JOIN notebook n ON n.session = c.session AND n.notebook = c.notebook
      WHERE c.suspensions > 0 AND c.started_us IS NOT NULL AND c.ended_us IS NOT NULL;
    """

  static let sql = """
    CREATE VIEW waits AS
      SELECT c.session, c.cell, n.user, n.path, c.outcome,
        date((s.began_us + c.submitted_us) / 1000000, 'unixepoch', 'localtime') AS day,
        datetime((s.began_us + c.submitted_us) / 1000000, 'unixepoch', 'localtime') AS submitted,
        (coalesce(c.started_us, c.ended_us) - c.submitted_us) / 1e6 AS waited,
        c.ran_us / 1e6 AS ran,
        (c.ended_us - c.submitted_us) / 1e6 AS turnaround,
        c.suspensions, c.cores, c.gpus
      FROM cell c JOIN session s ON s.id = c.session
        JOIN notebook n ON n.session = c.session AND n.notebook = c.notebook;
    CREATE VIEW hours_by_user AS
      SELECT n.user,
        date((s.began_us + c.submitted_us) / 1000000, 'unixepoch', 'localtime') AS day, c.session,
        count(*) AS cells, sum(c.core_us) / 3.6e9 AS core_hours, sum(c.gpu_us) / 3.6e9 AS gpu_hours
      FROM cell c JOIN session s ON s.id = c.session
        JOIN notebook n ON n.session = c.session AND n.notebook = c.notebook
      GROUP BY n.user, day, c.session;
    CREATE VIEW actions AS
      SELECT a.session, a.sequence,
        date((s.began_us + a.at_us) / 1000000, 'unixepoch', 'localtime') AS day,
        datetime((s.began_us + a.at_us) / 1000000, 'unixepoch', 'localtime') AS at,
        a.author, a.verb, n.user, n.path, a.why, a.refused
      FROM action a JOIN session s ON s.id = a.session
        LEFT JOIN notebook n ON n.session = a.session AND n.notebook = a.notebook;
    CREATE VIEW preemptions_by_operator AS
      SELECT author, day, count(*) AS preemptions FROM actions
      WHERE verb IN ('suspend', 'interrupt') AND refused IS NULL GROUP BY author, day;
    CREATE VIEW forecasts AS
      SELECT c.session, c.cell, n.user, n.path,
        CASE c.basis WHEN 0 THEN 'oracle' WHEN 1 THEN 'code' WHEN 2 THEN 'notebook' WHEN 3 THEN 'user'
          ELSE 'everyone' END AS basis,
        c.forecast_p05_us / 1e6 AS p05, c.forecast_p50_us / 1e6 AS p50, c.forecast_p95_us / 1e6 AS p95,
        c.ran_us / 1e6 AS ran, c.outcome,
        c.ran_us BETWEEN c.forecast_p05_us AND c.forecast_p95_us AS within
      FROM cell c JOIN notebook n ON n.session = c.session AND n.notebook = c.notebook
      WHERE c.basis IS NOT NULL AND c.ended_us IS NOT NULL;
    CREATE VIEW use AS
      SELECT u.session, n.user, n.path,
        datetime((s.began_us + u.at_us) / 1000000, 'unixepoch', 'localtime') AS at,
        u.millicores / 1000.0 AS cores, u.memory
      FROM usage u JOIN session s ON s.id = u.session
        JOIN notebook n ON n.session = u.session AND n.notebook = u.notebook;
    """
}
