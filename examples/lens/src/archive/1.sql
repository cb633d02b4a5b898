-- Words that many rows have in common: services, routes, statuses.
CREATE TABLE name (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE,
    -- Of a service: whether a proxy called others in its name for a request it had received.
    is_gateway INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Who sent spans: a ResourceSpans of OTLP with its scope, without spans.
CREATE TABLE resource (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL UNIQUE,
    -- When it was last heard of, in seconds since 1970, give or take a minute.
    used INTEGER NOT NULL
) STRICT;

-- Spans in the order of their arrival. Whole in `body`, as OTLP; the other columns are for searching.
CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    parent_id BLOB,
    kind INTEGER NOT NULL,
    service INTEGER NOT NULL,
    -- Of a client: whom it called, by the name that it has for it.
    peer INTEGER NOT NULL,
    route INTEGER NOT NULL,
    status INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    -- Nanoseconds, since 1970 and in all.
    start INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    -- Seconds since 1970 by our own clock: what is kept goes by this.
    arrived INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
-- With the kind: in Zipkin's data both sides of a call may have one id.
CREATE UNIQUE INDEX span_by_id ON span (trace_id, span_id, kind);
-- All that a search looks at, so that it reads nothing else.
CREATE INDEX span_by_time ON span (start, service, route, status, failed, duration, kind);
CREATE INDEX span_failed ON span (start, service) WHERE failed = 1;

-- What requests are counted by.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    service INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    route INTEGER NOT NULL,
    status INTEGER NOT NULL,
    is_bare INTEGER NOT NULL,
    UNIQUE (source, kind, service, peer, route, status, is_bare)
) STRICT;

-- Bounds of histograms: eight bytes each, in seconds.
CREATE TABLE layout (
    id INTEGER PRIMARY KEY,
    bounds BLOB NOT NULL UNIQUE
) STRICT;

-- What was counted in `step` seconds from `time` on, in seconds since 1970.
CREATE TABLE point (
    step INTEGER NOT NULL,
    time INTEGER NOT NULL,
    series INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    seconds REAL NOT NULL,
    buckets BLOB NOT NULL,
    PRIMARY KEY (step, time, series, layout)
) STRICT, WITHOUT ROWID;

-- What each sender counted in all, when it was last heard.
CREATE TABLE counter (
    key BLOB PRIMARY KEY,
    state BLOB NOT NULL,
    heard INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
