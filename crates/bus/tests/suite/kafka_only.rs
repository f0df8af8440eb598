//! What only a bus over Kafka has to stand: brokers that go, consumers that are too slow, a client that is broken.
