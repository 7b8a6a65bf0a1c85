"""CoAP (RFC 7252): codec, and the machines of both ends, without socket or clock.

`server.ServerEndpoint` and `client.ClientEndpoint` are driven by datagrams; their
modules say how. `decode` and `encode` do one message at a time. Observe (RFC 7641),
blockwise transfer (RFC 7959), FETCH and PATCH (RFC 8132), Echo and Request-Tag (RFC 9175),
link format (RFC 6690), No-Response (RFC 7967) and problem details (RFC 9290) are inside.
"""
