package zab

import "quokka/internal/proto"

// Committed returns the zxid up to which the leader said that everything is
// committed. It may not be applied yet: that waits for this server's disk.
func (f *Learner) Committed() proto.Zxid { return f.committed }

// A heir is the server that leads after a reconfiguration.
type heir struct {
	reconfig proto.Zxid
	server   proto.ServerID
}

// heir returns the server that the leader named with the commit of a
// reconfiguration: mostly itself.
func (f *Learner) heir(reconfig proto.Zxid) proto.ServerID {
	for _, o := range f.heirs {
		if o.reconfig == reconfig {
			return o.server
		}
	}
	return f.cfg.Leader
}
