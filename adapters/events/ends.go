package events

import (
	"crypto/tls"
	"errors"
	"io"
	"net"

	"github.com/segmentio/kafka-go"

	"kakehashi/internal/fault"
)

// end is what the end of a call to Kafka means.
type end struct {
	kind   fault.Kind
	code   string
	reason string // the cause in a machine's word
	text   string // the same for operators; never a value, an address or a name
}

// ends of calls, by what they mean for a change: Unavailable only where nothing was written.
func endOf(err error) end {
	if writes, ok := errors.AsType[kafka.WriteErrors](err); ok {
		for _, one := range writes {
			if one != nil {
				return endOf(one)
			}
		}
	}
	if _, ok := errors.AsType[kafka.MessageTooLargeError](err); ok {
		return end{fault.Invalid, codeTooLarge, "too_large", "the message is too large"}
	}
	if code, ok := errors.AsType[kafka.Error](err); ok {
		return endOfCode(code)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return end{fault.Unavailable, f.Code, "password", f.What}
	}
	if unproved(err) {
		return end{fault.Unavailable, codeProof, "tls", "TLS was not agreed upon"}
	}
	if unreached(err) {
		return end{fault.Unavailable, codeUnreached, "unreachable", "no broker can be reached"}
	}
	if errors.Is(err, io.ErrClosedPipe) {
		return end{fault.Unavailable, codeUnreached, "closing", "we are stopping"}
	}
	return end{fault.Unsure, codeDoubt, "no_reply", "there was no reply"}
}

// endOfCode gives what a broker's own answer means. Those that say that a message may have
// been written, and those that nobody thought about, are Unsure.
func endOfCode(code kafka.Error) end {
	switch code {
	case kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState:
		return end{fault.Unavailable, codeProof, "auth_failed", "Kafka does not accept who we are"}
	case kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return end{fault.Unavailable, codeForbidden, "forbidden", "Kafka does not allow us this topic or group"}
	case kafka.UnknownTopicOrPartition, kafka.InvalidTopic:
		return end{fault.Unavailable, codeTopic, "no_topic", "there is no such topic"}
	case kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable,
		kafka.KafkaStorageError, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch:
		return end{fault.Unavailable, codeLeader, "no_leader", "the partition has no leader now"}
	case kafka.NotEnoughReplicas:
		return end{fault.Unavailable, codeLeader, "few_replicas", "too few replicas are in step"}
	case kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup, kafka.GroupLoadInProgress:
		return end{fault.Unavailable, codeLeader, "no_coordinator", "the group has no coordinator now"}
	case kafka.MessageSizeTooLarge:
		return end{fault.Invalid, codeTooLarge, "too_large", "the message is too large"}
	case kafka.NotEnoughReplicasAfterAppend:
		return end{fault.Unsure, codeDoubt, "few_replicas", "it was written to too few replicas"}
	case kafka.RequestTimedOut, kafka.NetworkException:
		return end{fault.Unsure, codeDoubt, "timeout", "the replicas did not answer in time"}
	default:
		return end{fault.Unsure, codeDoubt, "broker", "Kafka answered with an error of its own"}
	}
}

// unreached tells whether no connection was made.
func unreached(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// unproved tells whether one side did not accept the other's TLS.
func unproved(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// fault makes the error of a call that ended so.
func (e end) fault(doing string) error {
	return fault.New(e.kind, "%s: %s", doing, e.text).WithCode(e.code).WithReason(e.reason)
}

// before makes the error of a call that ended so before anything could be written.
func (e end) before(doing string) error {
	if e.kind == fault.Unsure {
		e.kind, e.code = fault.Unavailable, codeUnreached
	}
	return e.fault(doing)
}
