package state

import "quokka/internal/proto"

// checkQuota refuses a change under path, by so many bytes and nodes, that
// takes a hard limit of the quota above it past its bound; soft limits only
// warn (ZooKeeperServer.checkQuota). As in Java the usage is that of applied
// transactions, so requests in flight can overshoot, and a change that
// shrinks the data is refused too while it stays above the limit.
func (s *State) checkQuota(path string, bytes, nodes int64) proto.Code {
	if !s.opts.EnforceQuota {
		return proto.OK
	}
	_, limits, usage, ok := s.tree.QuotaOf(path)
	switch {
	case !ok:
		return proto.OK
	case nodes != 0 && limits.CountHard > -1 && usage.Count+nodes > limits.CountHard,
		bytes != 0 && limits.BytesHard > -1 && usage.Bytes+bytes > limits.BytesHard:
		return proto.QuotaExceeded
	}
	return proto.OK
}
