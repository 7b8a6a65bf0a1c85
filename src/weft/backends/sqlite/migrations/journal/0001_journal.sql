-- Messages in the batches they were committed in, chained by their checksums.

CREATE TABLE batch (
    first       INTEGER PRIMARY KEY, -- position of the first message
    length      INTEGER NOT NULL,
    received_to INTEGER NOT NULL,    -- the latest moment of receipt up to here, so it never falls
    body        BLOB    NOT NULL,    -- msgpack of the envelopes; empty where a repair dropped them
    checksum    BLOB    NOT NULL     -- one half over first, length and body, one over that and the batch before
);

-- Finds gaps and moments without reading the bodies.
CREATE INDEX batch_span ON batch (first, length, received_to);

-- What was forgotten on purpose: positions up to `last`, and the checksum the chain goes on from.
CREATE TABLE trimmed (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    last        INTEGER NOT NULL,
    received_to INTEGER NOT NULL,
    checksum    BLOB    NOT NULL
);

INSERT INTO trimmed VALUES (1, 0, 0, x'00');

CREATE TABLE qos_two (
    session   TEXT    NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
) WITHOUT ROWID;
