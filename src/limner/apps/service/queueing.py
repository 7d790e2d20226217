"""Whose turn it is: how many may wait, and how keys share the workers.

Every key has an account of the work done for it, and the key with the least is served first. A key that comes back
after a pause is set to what the key last served had had, so that nobody saves up turns; each claim books the cost of
the job. This is start-time fair queueing: two keys that always have work get equal shares, whatever the sizes of their
jobs.
"""

import sqlalchemy as sa

from limner.apps.service.database import advance_fair_clock, fair_clock
from limner.apps.service.errors import BusyError
from limner.apps.service.settings import Limits
from limner.apps.service.tables import identities, job_people, jobs, keys

RETRY_AFTER = 5
"""Seconds that a client should wait when the queue is full."""
_OPEN = ("queued", "running")
_UNREADY = (
    sa.select(job_people.c.job_id)
    .join(identities, identities.c.id == job_people.c.identity_id)
    .where(job_people.c.job_id == jobs.c.id, identities.c.state != "ready")
)
_READY = ~_UNREADY.correlate(jobs).exists()
"""Everybody whom the job draws is learnt."""
_WAITING = jobs.join(keys, keys.c.id == jobs.c.owner)


def require_room(connection: sa.Connection, owner: str, limits: Limits) -> None:
    """Refuse a job that would wait behind too many.

    Raises:
        BusyError: the queue is full, for this key or for everybody.
    """
    is_mine = sa.case((jobs.c.owner == owner, 1), else_=0)
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(is_mine), 0)).where(jobs.c.state.in_(_OPEN))
    everybody, mine = connection.execute(query).one()
    if mine >= limits.queue_per_key:
        raise BusyError(
            f"{mine} of your jobs wait or run, and {limits.queue_per_key} are allowed; wait until some are done",
            retry_after=RETRY_AFTER,
        )
    if everybody >= limits.queue:
        raise BusyError(f"the queue is full with {everybody} jobs; come back later", retry_after=RETRY_AFTER)


def take_turn(connection: sa.Connection, owner: str) -> None:
    """Let a key that has nothing in the queue begin where the others are."""
    busy = sa.select(jobs.c.id).where(jobs.c.owner == owner, jobs.c.state.in_(_OPEN)).limit(1)
    if connection.scalar(busy) is None:
        clock = fair_clock(connection)
        connection.execute(sa.update(keys).where(keys.c.id == owner, keys.c.served < clock).values(served=clock))


def next_group(connection: sa.Connection, *, kinds: tuple[str, ...], models: tuple[str, ...], room: int) -> list[str]:
    """The job whose turn it is, and those that may be drawn with it, in fair order, as far as there is room.

    A job that was tried before goes alone: if it is what kills workers, it takes nobody with it.
    """
    able = sa.and_(jobs.c.state == "queued", jobs.c.kind.in_(kinds), jobs.c.model.in_(models), _READY)
    leader = connection.execute(
        sa.select(jobs.c.id, jobs.c.group, jobs.c.attempt, keys.c.served)
        .select_from(_WAITING)
        .where(able)
        .order_by(keys.c.served, jobs.c.created_at, jobs.c.id)
        .limit(1)
    ).first()
    if leader is None:
        return []
    advance_fair_clock(connection, leader.served)
    if leader.attempt > 0:
        return [leader.id]
    ahead = sa.func.sum(jobs.c.cost).over(partition_by=jobs.c.owner, order_by=(jobs.c.created_at, jobs.c.id))
    turn = (keys.c.served + ahead - jobs.c.cost).label("turn")
    members = connection.execute(
        sa.select(jobs.c.id, jobs.c.rows, turn)
        .select_from(_WAITING)
        .where(able, jobs.c.group == leader._mapping["group"], jobs.c.attempt == 0)
        .order_by(turn, jobs.c.created_at, jobs.c.id)
        .limit(room)
    )
    chosen: list[str] = []
    for member in members:
        if chosen and member.rows > room:
            break
        chosen.append(member.id)
        room -= member.rows
    return chosen


def waiting(connection: sa.Connection) -> tuple[int, float | None]:
    """Pictures that could be drawn now, and since when the first of them waits."""
    query = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.rows), 0), sa.func.min(jobs.c.created_at))
    rows, oldest = connection.execute(query.select_from(_WAITING).where(jobs.c.state == "queued", _READY)).one()
    return int(rows), oldest
