"""The tables of the service, the same in SQLite and PostgreSQL. Times are seconds since 1970."""

import sqlalchemy as sa

SCHEMA_VERSION = 2
LOCAL = "local"
"""Owner of everything asked for without a key, where that is allowed."""

metadata = sa.MetaData()
_ID = sa.String(32)


def _owner() -> sa.Column:
    return sa.Column("owner", _ID, sa.ForeignKey("keys.id"), nullable=False, index=True)


keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
    # Work done for this key so far; whose is least is served first.
    sa.Column("served", sa.Double, nullable=False, default=0.0),
)
uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _owner(),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    # The job that uses the picture up.
    sa.Column("job_id", _ID, index=True),
)
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _owner(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("consent", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("licence", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("problem", sa.Text),
    # Name of the file; every attempt at making it writes one of its own.
    sa.Column("card", _ID),
    sa.Column("num_photos", sa.Integer, nullable=False),
    sa.Column("quality", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    # The job that makes the card.
    sa.Column("job_id", _ID, nullable=False, index=True),
)
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    _owner(),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    # Jobs of one group may share a forward pass.
    sa.Column("group", sa.String(64), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("cost", sa.Double, nullable=False),
    sa.Column("num_uploads", sa.Integer, nullable=False, default=0),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("worker", _ID),
    sa.Column("lease_until", sa.Double),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("steps_done", sa.Integer, nullable=False, default=0),
    sa.Column("steps_total", sa.Integer, nullable=False, default=0),
    sa.Column("problem_code", sa.String(32)),
    sa.Column("problem", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("expires_at", sa.Double, index=True),
    sa.Column("idempotency_key", sa.String(64)),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.UniqueConstraint("owner", "idempotency_key"),
)
# Everybody whom a job draws; one that draws nobody in particular has no row here.
job_people = sa.Table(
    "job_people",
    metadata,
    sa.Column("job_id", _ID, sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("identity_id", _ID, primary_key=True, index=True),
)
pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("job_id", _ID, sa.ForeignKey("jobs.id"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("similarity", sa.Double),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.UniqueConstraint("job_id", "position"),
)
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
)
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
)
