"""The database's tables: the study, its participants, their answers."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

studies: Final = sa.Table(
    "cfld_studies",
    metadata,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("participants", sa.Integer, nullable=False),
)
"""One row: which study this is, and how many have begun."""

participants: Final = sa.Table(
    "cfld_participants",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("shown", sa.Integer, nullable=False),
    sa.Column("shown_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
)

answers: Final = sa.Table(
    "cfld_answers",
    metadata,
    sa.Column("number", sa.ForeignKey(participants.c.number), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("pair", sa.Integer),
    sa.Column("pick", sa.Text, nullable=False),
    sa.Column("expected", sa.Text),
    sa.Column("answered_at", sa.Double, nullable=False),
)
