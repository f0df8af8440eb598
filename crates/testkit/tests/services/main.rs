//! The whole platform as separate processes. Every test needs real servers: `.ci/servers.sh`.

mod distributed;
