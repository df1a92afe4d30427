"""The store: one SQLite file that holds runs and every evaluation of them.

Written by one process at a time (a lock that dies with its owner), read by any number. A batch of
evaluations is one transaction of a write-ahead log: after a kill at any moment the file holds
exactly the batches that were acknowledged. Every row carries a checksum, so that a damaged file is
refused rather than read as other numbers.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.envs import DesignProblem, Evaluation, Spec
from codesign_gym.envs.evaluation import assess
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.search_spaces import InputError, SearchSpace

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x636F6467  # "codg": marks the file as one of ours
_SCHEMA = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, config TEXT NOT NULL, space TEXT NOT NULL, metrics TEXT NOT NULL,
    objectives TEXT NOT NULL, specs TEXT NOT NULL, command TEXT NOT NULL, info TEXT NOT NULL,
    checksum INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE evaluations (
    run TEXT NOT NULL REFERENCES runs (id), step INTEGER NOT NULL, design BLOB NOT NULL,
    metrics BLOB NOT NULL, reward REAL NOT NULL, reason TEXT NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (run, step)
) WITHOUT ROWID;
"""
_HALF_DONE = ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY")
"""A writer was killed between two kinds of log: who may only read cannot undo that."""

_RUN = "id, config, space, metrics, objectives, specs, command, info, checksum, finished"
_EVALUATION = "run, step, design, metrics, reward, reason, checksum"


def run_id(config: RunConfig) -> str:
    """The key of a run: the same configuration is the same run."""
    # Fields at their defaults are left out, so that a field added later changes no id.
    default = RunConfig(config.problem, config.agent).to_dict()
    said = {k: v for k, v in config.to_dict().items() if v != default[k]}
    text = json.dumps(said | {"problem": config.problem, "agent": config.agent}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class StoreInUseError(InputError):
    """Another process writes to the store."""


class Store:
    """An open store; use it as a context manager.

    Args:
        path: The file; made if absent and ``write``.
        write: Whether to take the writer's lock.

    Raises:
        InputError: The file is missing (for reading), in use by another writer, no store, damaged,
            or of a newer version. It is left as it is.
    """

    def __init__(self, path: Path, write: bool = False) -> None:
        self.path = path
        self._lock: FileLock | None = None
        self._writing = False
        if write:
            self._lock = FileLock(f"{path}.lock", timeout=0)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
            except Timeout:
                raise StoreInUseError(f"store {path} is in use by another process") from None
            except OSError as error:
                raise InputError(f"cannot write the store {path}: {error.strerror}") from None
        elif not path.is_file():
            raise InputError(f"there is no store {path}")
        try:
            self._open(write)
        except BaseException:
            self.close()
            raise

    def _open(self, write: bool) -> None:
        with self._explained():
            if write and not (self.path.exists() and self.path.stat().st_size):
                _create(self.path)
            self._check_header()
            self._connection = self._connect("ro")  # changes nothing, whatever the file is
            found = self._integrity()
            if found != "ok":
                raise self._damaged(found)
            if self._one("PRAGMA foreign_key_check") is not None:
                raise self._damaged("evaluations of no run")

    def _integrity(self) -> str:
        """What SQLite says of the file, after undoing what a killed writer has left half done."""
        try:
            (found,) = self._one("PRAGMA integrity_check(1)")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in _HALF_DONE:
                raise
            self._connection.close()
            self._connection = self._connect("rw")
            (found,) = self._one("PRAGMA integrity_check(1)")
        return str(found)

    def _check_header(self) -> None:
        """Read the file's kind and version without SQLite, which would repair what is not ours."""
        with self.path.open("rb") as file:
            header = file.read(100)
        magic = header.startswith(b"SQLite format 3\0") and len(header) == 100
        version, application = struct.unpack(">I4xI", header[60:72]) if magic else (0, 0)
        if application != _APPLICATION_ID:
            raise InputError(f"{self.path} is not a store of codesign-gym: not touched")
        if version > SCHEMA_VERSION:
            raise InputError(
                f"{self.path} was written by a newer codesign-gym (store version {version}, "
                f"this one reads up to {SCHEMA_VERSION}): not touched"
            )

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)

    def _to_write(self) -> sqlite3.Connection:
        """The connection, from the first change on one that may write."""
        if not self._writing:
            self._connection.close()
            self._connection = self._connect("rw")
            self._connection.execute("PRAGMA journal_mode = WAL")
            # The log survives the death of the process in this mode, and is much faster.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._writing = True
        return self._connection

    def _damaged(self, detail: object) -> InputError:
        return InputError(f"{self.path} is not a store or is damaged ({detail}): not touched")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give up the lock; a store at rest is one file, with no log beside."""
        if hasattr(self, "_connection"):
            if self._writing:
                with suppress(sqlite3.Error):  # a reader is at it: the log stays for now
                    self._connection.executescript(
                        "PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE;"
                    )
            self._connection.close()
        if self._lock is not None:
            self._lock.release()

    # -- writing -------------------------------------------------------------------------------

    def begin(
        self, config: RunConfig, problem: DesignProblem, command: str, info: dict[str, Any]
    ) -> str:
        """Enter a run, or find it if it was begun before; its id.

        Raises:
            InputError: The run was begun when the problem had another space, metrics or specs.
        """
        key = run_id(config)
        described = {
            "space": problem.space.to_dict(),
            "metrics": [metric.to_dict() for metric in problem.metrics],
            "objectives": [metric.to_dict() for metric in problem.objectives],
            "specs": [str(spec) for spec in problem.specs],
        }
        texts = {name: json.dumps(value) for name, value in described.items()}
        with self._explained():
            row = self._one("SELECT space, metrics, objectives, specs FROM runs WHERE id = ?", key)
            if row is None:
                begun = datetime.now(UTC).isoformat("T", "seconds")
                about = json.dumps(info | {"begun": begun})
                head = (key, json.dumps(config.to_dict()), *texts.values(), command, about)
                self._to_write().execute(
                    "INSERT INTO runs"
                    " (id, config, space, metrics, objectives, specs, command, info, checksum)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*head, _checksum(head)),
                )
            elif row != tuple(texts.values()):
                changed = [n for n, a, b in zip(texts, row, texts.values(), strict=True) if a != b]
                raise InputError(
                    f"{self.path} has this run of {config.problem!r} with other "
                    f"{' and '.join(changed)} than the problem has now: use another directory"
                )
        return key

    def append(
        self, key: str, evaluation: Evaluation, rewards: NDArray[np.float64], skip: int = 0
    ) -> None:
        """Add a batch of evaluations to a run: all of it or, on a kill, nothing.

        Args:
            key: Of the run.
            evaluation: The batch.
            rewards: The problem's reward of each design.
            skip: Steps that stay empty before it: the budget that went into cheaper evaluations.
        """
        metrics = evaluation.metrics
        if np.isnan(rewards).any():
            raise ValueError(f"reward of design {int(np.isnan(rewards).argmax())} is NaN")
        with self._explained(), self._transaction():
            (step,) = self._one(
                "SELECT ifnull(max(step) + 1, 0) FROM evaluations WHERE run = ?", key
            )
            rows = [
                (key, step + skip + i, design.tobytes(), row.tobytes(), reward, metrics.reason(i))
                for i, (design, row, reward) in enumerate(
                    zip(
                        evaluation.designs.astype("<i4"),
                        metrics.values_matrix.astype("<f8"),
                        rewards.tolist(),
                        strict=True,
                    )
                )
            ]
            self._connection.executemany(
                "INSERT INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row, _checksum(row)) for row in rows],
            )

    def adopt(self, other: Store, key: str) -> None:
        """Take over a finished run of another store, all of it or nothing; one that is here stays.

        Raises:
            InputError: The other store is damaged, or its run is not finished.
        """
        with other._explained():
            record = other.read(key)  # its checksums are verified
            if record is None or not record.finished:
                raise InputError(f"{other.path}: run {key!r} is not finished")
            head = other._one(f"SELECT {_RUN} FROM runs WHERE id = ?", key)
            rows = other._connection.execute(
                f"SELECT {_EVALUATION} FROM evaluations WHERE run = ?", (key,)
            ).fetchall()
        with self._explained(), self._transaction():
            if self._one("SELECT 1 FROM runs WHERE id = ?", key) is None:
                marks = ", ".join("?" * len(head))
                self._connection.execute(f"INSERT INTO runs ({_RUN}) VALUES ({marks})", head)
                self._connection.executemany(
                    f"INSERT INTO evaluations ({_EVALUATION}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
                )

    def forget(self, key: str) -> None:
        """Remove a run and its evaluations, if it is there."""
        with self._explained(), self._transaction():
            self._connection.execute("DELETE FROM evaluations WHERE run = ?", (key,))
            self._connection.execute("DELETE FROM runs WHERE id = ?", (key,))

    def finish(self, key: str) -> None:
        """Mark a run as having used its budget."""
        with self._explained():
            self._to_write().execute("UPDATE runs SET finished = 1 WHERE id = ?", (key,))

    # -- reading -------------------------------------------------------------------------------

    def run_ids(self) -> list[str]:
        """Ids of all runs, in order of entry."""
        with self._explained():
            rows = self._connection.execute("SELECT id FROM runs ORDER BY rowid").fetchall()
        return [key for (key,) in rows]

    def read(self, key: str) -> RunRecord | None:
        """A run with its evaluations; None where it has none yet."""
        with self._explained():
            run = self._one(f"SELECT {_RUN} FROM runs WHERE id = ?", key)
            if run is None:
                raise InputError(f"{self.path} has no run {key!r}")
            rows = self._connection.execute(
                f"SELECT {_EVALUATION} FROM evaluations WHERE run = ? ORDER BY step",
                (key,),
            ).fetchall()
        *head, checksum, finished = run
        sums = [_checksum(head) == checksum, *(_checksum(row[:-1]) == row[-1] for row in rows)]
        steps = [row[1] for row in rows]
        whole = all(sums)
        if whole and "fidelities" not in json.loads(head[7]):  # else cheaper ones leave gaps
            whole = steps == list(range(len(rows)))
        if not whole:
            raise self._damaged(f"run {key}: a checksum or a step is wrong")
        return _record(head, rows, bool(finished)) if rows else None

    def records(self) -> list[RunRecord]:
        """All runs that have evaluations, in order of entry."""
        found = (self.read(key) for key in self.run_ids())
        return [record for record in found if record is not None]

    # -- the database --------------------------------------------------------------------------

    def _one(self, statement: str, *values: Any) -> Any:
        return self._connection.execute(statement, values).fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._to_write().execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says of a file into a sentence for its user."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise InputError(f"store {self.path}: {error} (locked, or not readable)") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error


def _create(path: Path) -> None:
    """Make an empty store, complete or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    connection = sqlite3.connect(temporary, isolation_level=None)
    try:
        connection.executescript(
            f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION_ID};"
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    finally:
        connection.close()
    temporary.replace(path)


def _checksum(row: Iterable[object]) -> int:
    """CRC-32 of the columns of a row."""
    crc = 0
    for value in row:
        data = value if isinstance(value, bytes) else repr(value).encode()
        crc = zlib.crc32(data, zlib.crc32(b"|", crc))
    return crc


def _record(head: list[str], rows: list[tuple[Any, ...]], finished: bool) -> RunRecord:
    """A run out of its columns, whose checksums hold."""
    config, space_dict, metrics, objectives, specs = (json.loads(text) for text in head[1:6])
    space = SearchSpace.from_dict(space_dict)
    kinds = tuple(Metric(**metric) for metric in metrics)
    _, steps, blobs, values, rewards, reasons, _ = zip(*rows, strict=True)
    designs = np.frombuffer(b"".join(blobs), dtype="<i4").reshape(len(rows), len(space))
    matrix = np.frombuffer(b"".join(values), dtype="<f8").reshape(len(rows), len(kinds))
    found = np.array(reasons)
    invalid = {str(reason): found == reason for reason in dict.fromkeys(reasons) if reason}
    parsed_specs = tuple(Spec.parse(spec) for spec in specs)
    parsed_objectives = tuple(Metric(**metric) for metric in objectives)
    for name in ("specs", "objectives"):
        if config.get(name) is not None:
            config[name] = tuple(config[name])
    return RunRecord(
        config=RunConfig(**config),
        space=space,
        objectives=parsed_objectives,
        specs=parsed_specs,
        evaluation=assess(
            designs.astype(np.int32),
            Metrics(kinds, matrix.astype(np.float64), invalid),
            parsed_objectives,
            parsed_specs,
        ),
        rewards=np.array(rewards),
        finished=finished,
        command=head[6],
        info=json.loads(head[7]),
        spent=np.array(steps) + 1,
    )
