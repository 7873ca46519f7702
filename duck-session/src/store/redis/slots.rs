//! The slots of a Redis Cluster, in which its keys are.

use redis::{Arg, Cmd, Value};

use super::address::Address;

/// How many slots there are. Each key is in one of them.
pub(super) const SLOTS: usize = 16_384;

/// Slots from the first to the last of them, and their primary.
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) primary: Address,
}

impl Range {
    /// Reads one of `CLUSTER SLOTS`: the first slot, the last one, and the nodes with the primary before the others.
    /// A host that is left out is that of the node that was asked; `?` is one that the node does not know either.
    pub(super) fn read(range: Vec<Value>, asked: &Address) -> Option<Self> {
        let mut range = range.into_iter();
        let (first, last) = (number(&range.next()?)?, number(&range.next()?)?);
        let primary: Vec<Value> = redis::from_redis_value(range.next()?).ok()?;
        let mut primary = primary.into_iter();
        let host: Option<String> = redis::from_redis_value(primary.next()?).ok()?;
        let port = number(&primary.next()?)?;
        let host = match host {
            Some(host) if host == "?" => return None,
            Some(host) if !host.is_empty() => host,
            _ => asked.host.clone(),
        };
        let primary = Address { host, port };
        Some(Self {
            first,
            last,
            primary,
        })
    }
}

fn number<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    match value {
        Value::Int(number) => T::try_from(*number).ok(),
        _ => None,
    }
}

/// The slot of a command's key. No name of ours has the braces that would make a part of it count alone.
pub(super) fn slot(cmd: &Cmd) -> usize {
    let mut arguments = cmd.args_iter();
    let key = match arguments.next() {
        Some(Arg::Simple(b"EVAL" | b"EVALSHA")) => arguments.nth(2),
        _ => arguments.next(),
    };
    match key {
        Some(Arg::Simple(key)) => {
            usize::from(crc16::State::<crc16::XMODEM>::calculate(key)) % SLOTS
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;

    /// As `CLUSTER KEYSLOT` says.
    #[test]
    fn a_key_is_in_the_slot_that_redis_puts_it_in() {
        for (key, expected) in [("123456789", 12_739), ("foo", 12_182), ("bar", 5061)] {
            assert_eq!(slot(cmd("GET").arg(key)), expected);
            let mut call = cmd("EVALSHA");
            assert_eq!(
                slot(call.arg("a hash").arg(1).arg(key).arg("bar")),
                expected
            );
        }
        assert_eq!(slot(&cmd("INFO")), 0);
    }

    #[test]
    fn what_a_node_says_of_slots_is_read_and_nonsense_is_left_out() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let range = |first, last, host| {
            let node = Value::Array(vec![host, Value::Int(7000), text("id")]);
            vec![Value::Int(first), Value::Int(last), node]
        };
        let asked = Address::new("asked", 6379);
        let named = Range::read(range(0, 5460, text("host")), &asked).unwrap();
        assert_eq!(named.primary, Address::new("host", 7000));
        assert_eq!((named.first, named.last), (0, 5460));
        for same in [text(""), Value::Nil] {
            assert!(
                Range::read(range(0, 1, same), &asked).unwrap().primary
                    == Address::new("asked", 7000)
            );
        }
        assert!(Range::read(range(0, 1, text("?")), &asked).is_none());
        assert!(Range::read(range(-1, 1, text("host")), &asked).is_none());
        assert!(Range::read(vec![Value::Int(0), Value::Int(1)], &asked).is_none());
        assert!(Range::read(Vec::new(), &asked).is_none());
    }
}
