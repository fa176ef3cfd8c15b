"""Define the tables of the desk's database."""

import sqlalchemy as sa

SCHEMA_VERSION = 1
METADATA = sa.MetaData()
INFO = sa.Table(
    "desk",
    METADATA,
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("data_sha256", sa.String(64), nullable=False),
)
ASSIGNMENTS = sa.Table(
    "assignment",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("screen", sa.String(16), nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("unit", sa.String(64), nullable=False),
    sa.Column("annotator", sa.String(200), nullable=False),
    sa.Column("critiques", sa.Text, nullable=False),
    sa.Column("prefilled", sa.Boolean, nullable=False),
    sa.Column("look_first", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("opened", sa.String(40), nullable=False),
    sa.Column("finished", sa.String(40)),
    sa.Column("active_seconds", sa.Float, nullable=False),
    sa.UniqueConstraint("unit", "annotator"),
    sa.Index("assignment_progress", "screen", "status", "annotator"),
    sa.Index("assignment_order", "annotator", "screen", "id"),
)
EVENTS = sa.Table(
    "event",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("assignment", sa.Integer, sa.ForeignKey("assignment.id"), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.UniqueConstraint("assignment", "key"),
)
