//! Groups: which member reads which partitions, and which offsets were committed.

use std::collections::HashMap;

use crate::assigned::Announcer;

/// A group's name and the topic it reads.
pub(super) type GroupKey = (String, String);

/// All groups of this process.
#[derive(Default)]
pub(super) struct Groups {
    groups: HashMap<GroupKey, Group>,
    /// Offsets that were committed and not written yet, by group and partition.
    commits: HashMap<(GroupKey, i32), i64>,
    last_member: u64,
}

#[derive(Default)]
struct Group {
    members: Vec<Member>,
    /// Counts changes of `members`.
    generation: u64,
}

struct Member {
    id: u64,
    announcer: Announcer,
}

impl Group {
    /// All members have to find out anew what they read.
    fn rebalance(&mut self) {
        self.generation += 1;
        for member in &self.members {
            member.announcer.end();
        }
    }
}

/// The partitions that a member reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Changes with every member that joins or leaves.
    pub(super) generation: u64,
    pub(super) partitions: Vec<i32>,
}

impl Groups {
    /// Adds a member to the group, and returns its number. The group's offsets begin at 0 in all
    /// `partitions`.
    pub(super) fn join(&mut self, key: &GroupKey, partitions: i32, announcer: Announcer) -> u64 {
        self.last_member += 1;
        let group = self.groups.entry(key.clone()).or_default();
        group.members.push(Member {
            id: self.last_member,
            announcer,
        });
        group.rebalance();
        for partition in 0..partitions {
            self.commit(key, partition, 0);
        }
        self.last_member
    }

    pub(super) fn leave(&mut self, key: &GroupKey, member: u64) {
        if let Some(group) = self.groups.get_mut(key) {
            group.rebalance();
            group.members.retain(|other| other.id != member);
        }
    }

    /// Which of the partitions `0..partitions` `member` reads.
    pub(super) fn assignment(&self, key: &GroupKey, member: u64, partitions: i32) -> Assignment {
        let Some(group) = self.groups.get(key) else {
            return Assignment {
                generation: self.generation(key),
                partitions: Vec::new(),
            };
        };
        let turns = group.members.iter().cycle();
        let partitions = (0..partitions)
            .zip(turns)
            .filter(|(_, turn)| turn.id == member)
            .map(|(partition, _)| partition)
            .collect();
        Assignment {
            generation: group.generation,
            partitions,
        }
    }

    /// Counts the members that joined or left.
    pub(super) fn generation(&self, key: &GroupKey) -> u64 {
        self.groups.get(key).map_or(0, |group| group.generation)
    }

    /// The group has applied all messages of `partition` below `next`.
    pub(super) fn commit(&mut self, key: &GroupKey, partition: i32, next: i64) {
        let committed = self.commits.entry((key.clone(), partition)).or_insert(next);
        *committed = next.max(*committed);
    }

    /// The offsets that were committed since the last call.
    pub(super) fn take_commits(&mut self) -> HashMap<(GroupKey, i32), i64> {
        std::mem::take(&mut self.commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_one_member_as_members_come_and_go() {
        let key = ("g".to_owned(), "t".to_owned());
        let mut groups = Groups::default();
        let first = groups.join(&key, 4, Announcer::default());
        assert_eq!(groups.assignment(&key, first, 4).partitions, [0, 1, 2, 3]);

        let second = groups.join(&key, 4, Announcer::default());
        let third = groups.join(&key, 4, Announcer::default());
        let of = |groups: &Groups, member| groups.assignment(&key, member, 4).partitions;
        assert_eq!(of(&groups, first), [0, 3]);
        assert_eq!(of(&groups, second), [1]);
        assert_eq!(of(&groups, third), [2]);

        let before = groups.assignment(&key, first, 4).generation;
        groups.leave(&key, second);
        assert_eq!(of(&groups, first), [0, 2]);
        assert_eq!(of(&groups, third), [1, 3]);
        assert_ne!(groups.assignment(&key, first, 4).generation, before);
    }

    #[test]
    fn commits_only_go_forward_between_two_writes() {
        let key = ("g".to_owned(), "t".to_owned());
        let mut groups = Groups::default();
        groups.commit(&key, 1, 7);
        groups.commit(&key, 1, 5);
        assert_eq!(groups.take_commits()[&(key.clone(), 1)], 7);
        assert!(groups.take_commits().is_empty());
    }
}
