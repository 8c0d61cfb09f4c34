package sim

import (
	"fmt"
	"math/rand/v2"

	"quokka/internal/proto"
	"quokka/internal/sim/check"
)

// work makes up what clients ask for: a few paths, so that they meet.
type work struct {
	rng   *rand.Rand
	value int
}

// next is one client's next request.
func (k *work) next(c *client) check.Action {
	n := k.rng.IntN(100)
	switch {
	case n < 22:
		return k.setData(c)
	case n < 40:
		return k.create()
	case n < 50:
		return check.Action{Op: proto.OpDelete, Path: k.path(), Version: -1}
	case n < 58:
		return k.multi(c)
	case n < 62:
		return check.Action{Op: proto.OpSync, Path: "/"}
	case n < 63:
		return check.Action{Op: proto.OpCloseSession}
	}
	return k.read()
}

func (k *work) read() check.Action {
	switch k.rng.IntN(3) {
	case 0:
		return check.Action{Op: proto.OpExists, Path: k.path()}
	case 1:
		return check.Action{Op: proto.OpGetChildren2, Path: "/d"}
	}
	return check.Action{Op: proto.OpGetData, Path: k.path()}
}

func (k *work) data() []byte {
	k.value++
	return fmt.Appendf(nil, "v%d", k.value)
}

func (k *work) path() string {
	switch k.rng.IntN(8) {
	case 0:
		return "/d"
	case 1:
		return fmt.Sprintf("/e%d", k.rng.IntN(3))
	case 2:
		return fmt.Sprintf("/d/s%010d", k.rng.IntN(6))
	}
	return fmt.Sprintf("/n%d", k.rng.IntN(4))
}

func (k *work) setData(c *client) check.Action {
	version := int32(-1)
	if k.rng.IntN(3) == 0 {
		version = c.version
	}
	return check.Action{Op: proto.OpSetData, Path: k.path(), Data: k.data(), Version: version}
}

func (k *work) create() check.Action {
	op := proto.OpCreate
	if k.rng.IntN(2) == 0 {
		op = proto.OpCreate2
	}
	a := check.Action{Op: op, Data: k.data()}
	switch k.rng.IntN(5) {
	case 0:
		a.Path = "/d"
	case 1:
		a.Path, a.Flags = "/d/s", proto.FlagPersistentSequential
	case 2:
		a.Path, a.Flags = fmt.Sprintf("/e%d", k.rng.IntN(3)), proto.FlagEphemeral
	case 3:
		a.Path, a.Flags = "/d/s", proto.FlagEphemeralSequential
	default:
		a.Path = fmt.Sprintf("/n%d", k.rng.IntN(4))
	}
	return a
}

func (k *work) multi(c *client) check.Action {
	a := check.Action{Op: proto.OpMulti}
	for range 1 + k.rng.IntN(3) {
		switch k.rng.IntN(4) {
		case 0:
			a.Parts = append(a.Parts, k.setData(c))
		case 1:
			a.Parts = append(a.Parts, check.Action{Op: proto.OpDelete, Path: k.path(), Version: -1})
		case 2:
			a.Parts = append(a.Parts, check.Action{Op: proto.OpCheck, Path: k.path(), Version: -1})
		default:
			a.Parts = append(a.Parts, k.create())
		}
	}
	return a
}
