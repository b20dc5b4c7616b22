"""Tables of a study database, and the versions of them that this code knows."""

from __future__ import annotations

APPLICATION_ID = 0x4834484E
"""SQLite application id of a study database ("H4HN")."""
SCHEMA_VERSION = 4
"""Version of the tables, as SQLite's user version."""
WITHOUT_SOFTWARE = 3
"""Version that did not record the software of rows."""
WITHOUT_DIGESTS = 2
"""Version without digests as well."""
EARLIER_VERSIONS = (WITHOUT_SOFTWARE, WITHOUT_DIGESTS)
"""Versions that are read; `studies.migrate` converts such a database."""

STUDY_COLUMNS = (
    "id",
    "name",
    "space",
    "space_definition",
    "objectives",
    "constraints",
    "settings",
    "fingerprint",
    "created_at",
)
EVALUATION_COLUMNS = (
    "study",
    "number",
    "genotype",
    "objectives",
    "limited",
    "is_feasible",
    "macs",
    "params",
    "conv_blocks",
    "vit_blocks",
    "family",
    "stopped_after",
)
SOFTWARE_OF_ROW = "software"
"""Column of an evaluation: number of the software that measured it, within its study."""
GENERATION_COLUMNS = ("study", "number", "source", "rank_correlation")
SOFTWARE_COLUMNS = ("study", "number", "versions")
COLUMNS = {
    "study": STUDY_COLUMNS,
    "evaluation": (*EVALUATION_COLUMNS, SOFTWARE_OF_ROW),
    "generation": GENERATION_COLUMNS,
    "software": SOFTWARE_COLUMNS,
}
"""Columns by table that a digest covers; all but the digest itself."""
EARLIER_COLUMNS = {"study": STUDY_COLUMNS, "evaluation": EVALUATION_COLUMNS, "generation": GENERATION_COLUMNS}
"""The same for `EARLIER_VERSIONS`."""
OF_A_STUDY = tuple(table for table in COLUMNS if table != "study")
"""Tables whose rows belong to a study."""
INSERT = {
    table: f"INSERT INTO {table} VALUES ({', '.join('?' * (len(columns) + 1))})"
    for table, columns in COLUMNS.items()
}
"""Statement by table that stores a row: its columns, then its digest."""
WHOLE_FILE = 0
"""Study number of the checksum over the table `study`."""

_TABLES = (
    """CREATE TABLE study (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    space TEXT NOT NULL,
    space_definition TEXT NOT NULL,
    objectives TEXT NOT NULL,
    constraints TEXT NOT NULL,
    settings TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at TEXT NOT NULL,
    digest BLOB NOT NULL
)""",
    """CREATE TABLE evaluation (
    study INTEGER NOT NULL REFERENCES study (id),
    number INTEGER NOT NULL,
    genotype TEXT NOT NULL,
    objectives TEXT NOT NULL,
    limited TEXT NOT NULL,
    is_feasible INTEGER NOT NULL,
    macs INTEGER NOT NULL,
    params INTEGER NOT NULL,
    conv_blocks INTEGER NOT NULL,
    vit_blocks INTEGER NOT NULL,
    family TEXT NOT NULL,
    stopped_after INTEGER,
    software INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (study, number),
    UNIQUE (study, genotype)
) WITHOUT ROWID""",
    """CREATE TABLE generation (
    study INTEGER NOT NULL REFERENCES study (id),
    number INTEGER NOT NULL,
    source TEXT NOT NULL,
    rank_correlation REAL,
    digest BLOB NOT NULL,
    PRIMARY KEY (study, number)
) WITHOUT ROWID""",
    """CREATE TABLE software (
    study INTEGER NOT NULL REFERENCES study (id),
    number INTEGER NOT NULL,
    versions TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (study, number)
) WITHOUT ROWID""",
    """CREATE TABLE checksum (
    study INTEGER NOT NULL,
    of_table TEXT NOT NULL,
    count INTEGER NOT NULL,
    total BLOB NOT NULL,
    PRIMARY KEY (study, of_table)
) WITHOUT ROWID""",
)
_FINAL = (
    ("study", "studies"),
    ("evaluation", "evaluations"),
    ("generation", "generations"),
    ("software", "software"),
)
_TRIGGERS = tuple(
    f"CREATE TRIGGER {table}_{trigger} BEFORE {action} ON {table}\n"
    f"    BEGIN SELECT RAISE(ABORT, '{rows} are append-only'); END"
    for table, rows in _FINAL
    for trigger, action in (("is_final", "UPDATE"), ("stays", "DELETE"))
)
STATEMENTS = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
    *_TABLES,
    *_TRIGGERS,
    f"INSERT INTO checksum VALUES ({WHOLE_FILE}, 'study', 0, zeroblob(16))",
)
"""Statements that create an empty database, to be executed in one transaction."""
