package state

import (
	"quokka/internal/core/watch"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// addWatch, setWatches, setWatches2, checkWatches and removeWatches. None of
// them looks at ACLs or validates a path. setWatches could run beside other
// reads, but its events and its watches must not be torn from its reply.
var (
	opAddWatch      = row{kind: Read, read: (*State).readAddWatch}
	opSetWatches    = row{kind: Read, read: (*State).readSetWatches, exclusive: true}
	opSetWatches2   = row{kind: Read, read: (*State).readSetWatches, exclusive: true}
	opCheckWatches  = row{kind: Read, read: (*State).readCheckWatches, exclusive: true}
	opRemoveWatches = row{kind: Read, read: (*State).readRemoveWatches, exclusive: true}
)

// readAddWatch replies with an ErrorResponse of 0.
func (s *State) readAddWatch(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	path, d, ok := pathOf(r.Body)
	mode := d.Int()
	if !ok || d.Err() != nil {
		return out, proto.MarshallingError
	}
	switch mode {
	case proto.WatchPersistent:
		r.arm(path, watch.Persistent)
	case proto.WatchPersistentRecursive:
		r.arm(path, watch.Recursive)
	default:
		return out, proto.MarshallingError
	}
	return jute.AppendInt(out, 0), proto.OK
}

// readSetWatches arms what a client had armed on its last connection, or
// tells at once what happened since it saw RelativeZxid
// (DataTree.setWatches). A data watch hears of a node deleted and made again
// as NodeDataChanged, an exists watch of anything as NodeCreated.
func (s *State) readSetWatches(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	d := jute.NewDecoder(r.Body)
	q := proto.DecodeSetWatchesRequest(&d, r.Op)
	if d.Err() != nil {
		return out, proto.MarshallingError
	}
	for _, path := range q.Data {
		ref := s.tree.FindString(path)
		switch {
		case ref == 0:
			r.event(proto.EventNodeDeleted, path)
		case s.tree.Persisted(ref).Mzxid > q.RelativeZxid:
			r.event(proto.EventNodeDataChanged, path)
		default:
			r.Arm = append(r.Arm, Arm{path, watch.Data})
		}
	}
	for _, path := range q.Exist {
		if s.tree.FindString(path) != 0 {
			r.event(proto.EventNodeCreated, path)
		} else {
			r.Arm = append(r.Arm, Arm{path, watch.Data})
		}
	}
	for _, path := range q.Child {
		ref := s.tree.FindString(path)
		switch {
		case ref == 0:
			r.event(proto.EventNodeDeleted, path)
		case s.tree.Persisted(ref).Pzxid > q.RelativeZxid:
			r.event(proto.EventNodeChildrenChanged, path)
		default:
			r.Arm = append(r.Arm, Arm{path, watch.Child})
		}
	}
	for _, path := range q.Persistent {
		r.Arm = append(r.Arm, Arm{path, watch.Persistent})
	}
	for _, path := range q.PersistentRecursive {
		r.Arm = append(r.Arm, Arm{path, watch.Recursive})
	}
	return out, proto.OK
}

func (r *ReadRequest) event(t proto.EventType, path string) {
	r.Events = append(r.Events, Event{Conn: r.Conn, Type: t, Path: path})
}

func (s *State) readCheckWatches(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	q, ok := decodePathMode(r.Body)
	if !ok {
		return out, proto.MarshallingError
	}
	_, code := s.watches.Check(r.Conn, q.Path, q.Mode)
	return out, code
}

func (s *State) readRemoveWatches(r *ReadRequest, out []byte) ([]byte, proto.Code) {
	q, ok := decodePathMode(r.Body)
	if !ok {
		return out, proto.MarshallingError
	}
	return out, s.watches.Remove(r.Conn, q.Path, q.Mode)
}

func decodePathMode(body []byte) (proto.PathMode, bool) {
	d := jute.NewDecoder(body)
	q := proto.DecodePathMode(&d)
	return q, d.Err() == nil
}
