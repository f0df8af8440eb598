-- Gateways learn from replies which observer judges a partition, so nobody reads this.
DROP TABLE stream_owners;
