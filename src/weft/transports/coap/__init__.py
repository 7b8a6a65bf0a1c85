"""CoAP: the way in for devices that have kilobytes, over UDP and over DTLS."""
