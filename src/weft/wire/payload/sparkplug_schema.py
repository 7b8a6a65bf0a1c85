"""The schema of Sparkplug B payloads, written down field by field for protobuf.

The numbers are those of the Sparkplug 3.0 specification, 6.4. No file of another project is
compiled: the messages are made here when they are first needed, and protobuf itself is an
extra (`weft[sparkplug]`), so that nobody else carries it.
"""

from functools import cache
from typing import Any, Final, NamedTuple

from weft.errors import ConfigurationError

_VALUES: Final = (
    ("int_value", "uint32"), ("long_value", "uint64"), ("float_value", "float"),
    ("double_value", "double"), ("boolean_value", "bool"), ("string_value", "string"),
)  # fmt: skip

# message -> (field, number, type, repeated); a type with a capital is a message of these.
_FIELDS: Final[dict[str, tuple[tuple[str, int, str, bool], ...]]] = {
    "Payload": (
        ("timestamp", 1, "uint64", False), ("metrics", 2, "Metric", True),
        ("seq", 3, "uint64", False), ("uuid", 4, "string", False), ("body", 5, "bytes", False),
    ),
    "Metric": (
        ("name", 1, "string", False), ("alias", 2, "uint64", False),
        ("timestamp", 3, "uint64", False), ("datatype", 4, "uint32", False),
        ("is_historical", 5, "bool", False), ("is_transient", 6, "bool", False),
        ("is_null", 7, "bool", False), ("metadata", 8, "MetaData", False),
        ("properties", 9, "PropertySet", False),
    ),
    "MetaData": (
        ("is_multi_part", 1, "bool", False), ("content_type", 2, "string", False),
        ("size", 3, "uint64", False), ("seq", 4, "uint64", False),
        ("file_name", 5, "string", False), ("file_type", 6, "string", False),
        ("md5", 7, "string", False), ("description", 8, "string", False),
    ),
    "PropertySet": (("keys", 1, "string", True), ("values", 2, "PropertyValue", True)),
    "PropertySetList": (("propertyset", 1, "PropertySet", True),),
    "PropertyValue": (("type", 1, "uint32", False), ("is_null", 2, "bool", False)),
    "DataSet": (
        ("num_of_columns", 1, "uint64", False), ("columns", 2, "string", True),
        ("types", 3, "uint32", True), ("rows", 4, "Row", True),
    ),
    "Row": (("elements", 1, "DataSetValue", True),),
    "DataSetValue": (),
    "Template": (
        ("version", 1, "string", False), ("metrics", 2, "Metric", True),
        ("parameters", 3, "Parameter", True), ("template_ref", 4, "string", False),
        ("is_definition", 5, "bool", False),
    ),
    "Parameter": (("name", 1, "string", False), ("type", 2, "uint32", False)),
}  # fmt: skip

# message -> the number of the first member of its `oneof value`, and those behind the plain ones
_ONE_OF: Final[dict[str, tuple[int, tuple[tuple[str, str], ...]]]] = {
    "Metric": (
        10,
        (
            ("bytes_value", "bytes"),
            ("dataset_value", "DataSet"),
            ("template_value", "Template"),
        ),
    ),
    "PropertyValue": (
        3,
        (("propertyset_value", "PropertySet"), ("propertysets_value", "PropertySetList")),
    ),
    "DataSetValue": (1, ()),
    "Parameter": (3, ()),
}
_PACKAGE: Final = "weft.sparkplug"


class Schema(NamedTuple):
    """The generated classes, and what parsing raises."""

    payload: Any
    decode_error: type[Exception]


@cache
def schema() -> Schema:
    """Return the payload's class; raise `ConfigurationError` where protobuf is not installed."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415  an extra
        from google.protobuf.message import DecodeError  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "Sparkplug B is read with protobuf, which is not installed.",
            remedy='Install it: pip install "weft[sparkplug]"',
        ) from error
    file = descriptor_pb2.FileDescriptorProto(
        name="weft/sparkplug_b.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add(message, *field)
        if name in _ONE_OF:
            message.oneof_decl.add(name="value")
            first, others = _ONE_OF[name]
            for offset, (member, kind) in enumerate((*_VALUES, *others)):
                _add(message, member, first + offset, kind).oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.Payload")
    return Schema(message_factory.GetMessageClass(found), DecodeError)


def _add(message: Any, name: str, number: int, kind: str, repeated: bool = False) -> Any:  # noqa: FBT001, FBT002  a row of the table
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind[0].isupper():
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
    return field
