"""MQTT 3.1.1 and 5.0: codec, and the machines of both ends of a connection.

`server.ServerConnection` and `client.ClientConnection` are driven by bytes; their
modules say how. `decode` and `encode` do one packet at a time. Clause marks stand in
comments: `[MQTT-...]` is of MQTT 5.0, `[v3.1.1 MQTT-...]` of MQTT 3.1.1; where only a
section decides, it is named without a dash.
"""
