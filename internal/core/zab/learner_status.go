package zab

import "quokka/internal/proto"

// Committed returns the zxid up to which the leader said that everything is
// committed. It may not be applied yet: that waits for this server's disk.
func (f *Learner) Committed() proto.Zxid { return f.committed }
