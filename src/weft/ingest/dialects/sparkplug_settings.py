"""Settings of the Sparkplug host."""

from msgspec import Struct


class SparkplugSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[sparkplug]`: the host application that edge nodes see."""

    host_id: str = ""  # said in spBv1.0/STATE/{host_id}, for nodes that wait for their host
