-- Documents of every kind in one table, and the texts by which they are found.

CREATE TABLE record (
    kind     TEXT    NOT NULL,
    tenant   TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    body     BLOB    NOT NULL, -- msgpack
    texts    BLOB    NOT NULL, -- msgpack of {index name: [text, lone]}, as in record_index
    checksum INTEGER NOT NULL, -- CRC-32 over all of the above
    PRIMARY KEY (kind, tenant, key)
) WITHOUT ROWID;

CREATE TABLE record_index (
    kind   TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    text   TEXT    NOT NULL,
    key    TEXT    NOT NULL,
    lone   INTEGER NOT NULL, -- 1 when the text may stand once per tenant and kind
    PRIMARY KEY (kind, tenant, name, text, key),
    FOREIGN KEY (kind, tenant, key) REFERENCES record (kind, tenant, key) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX record_index_of ON record_index (kind, tenant, key);

CREATE UNIQUE INDEX record_index_lone ON record_index (kind, tenant, name, text) WHERE lone = 1;

-- How many group commits there were: more than the file beside us saw means that some are gone.
CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), commits INTEGER NOT NULL);

INSERT INTO progress VALUES (1, 0);
