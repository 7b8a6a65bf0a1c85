"""Publish and subscribe within a tenant: who gets which message, what is kept."""

from weft.broker.broker import Attached, Broker, BrokerDependencies, Opening, SessionInfo
from weft.broker.delivery import NEVER_S, Delivery, Link, Reason
from weft.broker.sessions import Session
from weft.broker.settings import BrokerSettings
from weft.broker.subscriptions import SubscriptionRequest
from weft.broker.topics import require_filter, require_topic, split_share
from weft.broker.wills import Will

__all__ = [
    "NEVER_S",
    "Attached",
    "Broker",
    "BrokerDependencies",
    "BrokerSettings",
    "Delivery",
    "Link",
    "Opening",
    "Reason",
    "Session",
    "SessionInfo",
    "SubscriptionRequest",
    "Will",
    "require_filter",
    "require_topic",
    "split_share",
]
