package tree

import "math"

// A Kind says what ends a znode's life besides a delete (Java: EphemeralType).
type Kind uint8

// The kinds of znodes.
const (
	Persistent Kind = iota
	Ephemeral       // dies with the session that owns it
	Container       // removed when its last child has gone
	TTL             // removed when childless and not set for its time to live
)

func (k Kind) String() string {
	switch k {
	case Ephemeral:
		return "ephemeral"
	case Container:
		return "container"
	case TTL:
		return "ttl"
	}
	return "persistent"
}

// ContainerOwner is the stored owner of every container.
const ContainerOwner int64 = math.MinInt64

// MaxTTL is the longest time to live in milliseconds.
const MaxTTL = 0xffffffffff

const (
	extendedMask int64 = -1 << 56              // high byte 0xff: an extended type
	reservedMask int64 = 0xffff << reservedBit // which one; 0 is TTL
	reservedBit        = 40
)

// TTLOwner returns the stored owner of a node with that time to live, which
// must be 1 to MaxTTL.
func TTLOwner(ttlMS int64) int64 { return extendedMask | ttlMS&MaxTTL }

// Options say how a stored owner is read. They must be the same on all
// servers of an ensemble.
type Options struct {
	ExtendedTypes bool // zookeeper.extendedTypesEnabled: owners 0xff… are times to live
	Emulate353TTL bool // zookeeper.emulate353TTLNodes: every negative owner is one, needs ExtendedTypes
}

// KindOf tells what a stored owner means; ttlMS is 0 unless the kind is TTL.
// Without extended types an owner 0xff… is an ordinary session id. An owner
// with reserved bits, for which Java's EphemeralType.get throws, is taken for
// a session id, too.
func (o Options) KindOf(owner int64) (kind Kind, ttlMS int64) {
	switch {
	case owner == 0:
		return Persistent, 0
	case owner == ContainerOwner:
		return Container, 0
	case o.ExtendedTypes && o.Emulate353TTL && owner < 0,
		o.ExtendedTypes && owner&extendedMask == extendedMask && owner&reservedMask == 0:
		return TTL, owner & MaxTTL
	}
	return Ephemeral, 0
}
