"""Operations in the words of the Prometheus HTTP API: what Grafana's own data source asks.

Shapes of requests and answers are those of prometheus.io/docs/prometheus/latest/querying/api;
errors are answered in its form as well. The rights are those of whoever's key it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from msgspec import Struct, field

from weft.api.operation import Call, Handler, Operation, Reply
from weft.api.prometheus.evaluate import (
    STEPS_MAX,
    VALUES_MAX,
    Line,
    evaluate,
    selectors_of,
    written,
)
from weft.api.prometheus.language import Query, Selector, read_duration_s, read_query
from weft.api.prometheus.series import find_series, label_values, metric_names, read_series
from weft.api.services import Services
from weft.errors import Invalid, TooLarge
from weft.model.moments import NS_PER_S, from_rfc3339

FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 32
LABELS: Final = ("__name__", "asset", "device", "key", "type", "unit")
_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422


class PrometheusQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client of the Prometheus API sends; moments in seconds since 1970, or RFC 3339."""

    query: str = ""
    time: str | None = None
    start: str | None = None
    end: str | None = None
    step: str | None = None
    match: str | None = field(name="match[]", default=None)
    limit: int | None = None
    timeout: str | None = None  # ours counts
    stats: str | None = None
    lookback_delta: str | None = None


class PrometheusForm(PrometheusQuery, frozen=True):
    """The same by a form."""


class PrometheusAnswer(Struct, frozen=True, omit_defaults=True):
    """An answer of the Prometheus API."""

    status: str
    data: Any = None
    errorType: str = ""  # noqa: N815  as its clients read it
    error: str = ""


Answering = Callable[[Services, Call, PrometheusQuery], Awaitable[Any]]


def _handled(answer: Answering) -> Handler:
    """Take the parameters from where they are, and answer errors in the form of that API."""

    async def handler(services: Services, call: Call) -> Reply:
        try:
            asked = call.query or PrometheusQuery()
            if call.body is not None:
                asked = _from_form(call.body)
            data = await answer(services, call, asked)
        except (Invalid, TooLarge) as error:
            text = f"{error.detail} {error.remedy}".strip()
            bad = isinstance(error, Invalid)
            kind = "bad_data" if bad else "execution"
            refused = PrometheusAnswer("error", None, kind, text)
            return Reply(refused, status=_BAD_REQUEST if bad else _UNPROCESSABLE)
        return Reply(PrometheusAnswer("success", data))

    return handler


def _from_form(raw: bytes) -> PrometheusQuery:
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
        return msgspec.convert(dict(pairs), PrometheusQuery, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise Invalid(f"The form cannot be read: {error}.") from error


async def _query(services: Services, call: Call, asked: PrometheusQuery) -> Any:
    """Answer with values at one moment."""
    at = _moment(asked.time, services.clock.now())
    query = read_query(asked.query)
    found = await _evaluated(services, call, query, np.array([at], np.int64))
    stamp = at / NS_PER_S
    if not isinstance(found, list):
        return {"resultType": "scalar", "result": [stamp, written(found)]}
    result = [
        {"metric": line.labels, "value": [stamp, written(value)]}
        for line in found
        if not np.isnan(value := float(line.values[0]))
    ]
    return {"resultType": "vector", "result": result}


async def _query_range(services: Services, call: Call, asked: PrometheusQuery) -> Any:
    """Answer with values at moments that are a step apart."""
    start, end = _moment(asked.start, None), _moment(asked.end, None)
    step_ns = round(read_duration_s(asked.step or "") * NS_PER_S)
    if end < start or step_ns <= 0:
        raise Invalid("The time asked for is empty.", remedy="Let start be before end, and step.")
    if (end - start) // step_ns >= STEPS_MAX:
        raise Invalid(
            f"More than {STEPS_MAX} points a series are asked for.", remedy="Ask for a longer step."
        )
    query = read_query(asked.query)
    steps = np.arange(start, end + 1, step_ns, dtype=np.int64)
    found = await _evaluated(services, call, query, steps)
    if not isinstance(found, list):
        found = [Line({}, np.full(len(steps), found))]
    result = await asyncio.to_thread(lambda: [_row(line, steps) for line in found])
    return {"resultType": "matrix", "result": [row for row in result if row["values"]]}


def _row(line: Line, steps: Any) -> dict[str, Any]:
    known = np.flatnonzero(~np.isnan(line.values))
    stamps = (steps[known] / NS_PER_S).tolist()
    values = map(written, line.values[known].tolist())
    return {
        "metric": line.labels,
        "values": [list(pair) for pair in zip(stamps, values, strict=True)],
    }


async def _evaluated(
    services: Services, call: Call, query: Query, steps: Any
) -> list[Line] | float:
    span = (int(steps[0]), int(steps[-1]))
    found = await read_series(services, call.principal.tenant, selectors_of(query), span)
    if sum(map(len, found.values())) * len(steps) > VALUES_MAX:
        raise TooLarge(
            f"The answer would have more than {VALUES_MAX} values.",
            remedy="Ask for a longer step, or for fewer series.",
        )
    return await asyncio.to_thread(evaluate, query, found, steps)


async def _series(services: Services, call: Call, asked: PrometheusQuery) -> Any:
    """Answer with the labels of series."""
    selector = _selector(asked.match)
    return await find_series(services, call.principal.tenant, selector.matchers)


async def _labels(_services: Services, _call: Call, _asked: PrometheusQuery) -> Any:
    """Answer with the labels that there are."""
    return list(LABELS)


async def _label_values(services: Services, call: Call, asked: PrometheusQuery) -> Any:
    """Answer with the values of a label, of all series or of some."""
    label, tenant = call.path["label"], call.principal.tenant
    if asked.match:
        found = await find_series(services, tenant, _selector(asked.match).matchers)
        return sorted({one[label] for one in found if label in one})
    if label == "__name__":
        return await metric_names(services, tenant)
    return await label_values(services, tenant, label) if label in LABELS else []


async def _metadata(_services: Services, _call: Call, _asked: PrometheusQuery) -> Any:
    """Answer that there is none: units are labels."""
    return {}


async def _build(services: Services, _call: Call, _asked: PrometheusQuery) -> Any:
    """Answer who answers."""
    return {"version": services.version, "application": "Weft"}


def _selector(text: str | None) -> Selector:
    query = read_query(text or "")
    if not isinstance(query, Selector):
        raise Invalid("match[] is no selector.", remedy='Write it as temperature{type="pump"}.')
    return query


def _moment(text: str | None, otherwise: int | None) -> int:
    if text is None:
        if otherwise is None:
            raise Invalid("start or end is missing.", remedy="Send both, in seconds since 1970.")
        return otherwise
    try:
        seconds = float(text)
    except ValueError:
        return from_rfc3339(text)
    if not 0 <= seconds < 9e9:
        raise Invalid(f"{text!r} is no moment.", remedy="Send seconds since 1970, or RFC 3339.")
    return round(seconds * 1000) * 1_000_000


_ROOT: Final = "/prometheus/api/v1"
_ASKED: Final = (
    ("query", "/query", "Evaluate a query at one moment, for Grafana", _query),
    ("query_range", "/query_range", "Evaluate a query over time, for Grafana", _query_range),
    ("series", "/series", "List the series that a selector fits, for Grafana", _series),
    ("labels", "/labels", "List labels, for Grafana", _labels),
)
_ASKED_BY_GET: Final = (
    ("label_values", "/label/{label}/values", "List a label's values, for Grafana", _label_values),
    ("metadata", "/metadata", "Describe metrics, for Grafana", _metadata),
    ("build", "/status/buildinfo", "Tell who answers, for Grafana", _build),
)


def _get(name: str, path: str, summary: str, answer: Answering) -> Operation:
    return Operation(
        f"prometheus_{name}",
        "GET",
        _ROOT + path,
        summary,
        _handled(answer),
        action="history.read",
        tag="prometheus",
        query=PrometheusQuery,
        result=PrometheusAnswer,
        errors=(Invalid, TooLarge),
        own_errors=(_BAD_REQUEST, _UNPROCESSABLE),
    )


def _post(asked: Operation) -> Operation:
    return Operation(
        f"{asked.name}_form",
        "POST",
        asked.path,
        f"{asked.summary}, by a form",
        asked.handler,
        action=asked.action,
        tag=asked.tag,
        body=bytes,
        body_schema=PrometheusForm,
        accepts=(FORM,),
        result=asked.result,
        errors=asked.errors,
        own_errors=asked.own_errors,
    )


_GETS: Final = tuple(_get(*row) for row in (*_ASKED, *_ASKED_BY_GET))

OPERATIONS: tuple[Operation, ...] = (*_GETS, *(_post(one) for one in _GETS[: len(_ASKED)]))
