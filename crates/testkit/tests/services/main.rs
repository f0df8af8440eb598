//! The whole platform as processes of their own. All of it needs real servers: `.ci/servers.sh`.

mod distributed;
