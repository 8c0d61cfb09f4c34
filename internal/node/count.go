package node

import (
	"encoding/binary"
	"time"

	"quokka/internal/core/state"
	"quokka/internal/metrics"
	"quokka/internal/proto"
)

// countWrite counts what a transaction wrote under its top-level znode
// (DataTree.updateWriteStat).
func (n *Node) countWrite(body proto.TxnBody) {
	switch t := body.(type) {
	case *proto.CreateTxn:
		n.wrote(t.Path, len(t.Data))
	case *proto.CreateContainerTxn:
		n.wrote(t.Path, len(t.Data))
	case *proto.CreateTTLTxn:
		n.opt.Metrics.TTLNodesCreated.Inc()
		n.wrote(t.Path, len(t.Data))
	case *proto.SetDataTxn:
		n.wrote(t.Path, len(t.Data))
	case *proto.DeleteTxn:
		n.wrote(t.Path, 0)
	case *proto.MultiTxn:
		for _, p := range t.Parts {
			n.countWrite(p.Body)
		}
	}
}

func (n *Node) wrote(path string, bytes int) {
	if ns, ok := metrics.Namespace(path); ok {
		n.opt.Metrics.WritePerNamespace.Observe(ns, int64(len(path)+bytes))
	}
}

// countRead counts what a read of one znode gave out under its top-level
// znode (DataTree.updateReadStat). Of other reads it counts nothing.
func (n *Node) countRead(op proto.Op, body []byte, replyBytes int) {
	switch op {
	case proto.OpGetData, proto.OpExists, proto.OpGetChildren, proto.OpGetChildren2:
	default:
		return
	}
	path := body[4:]
	path = path[:min(int(binary.BigEndian.Uint32(body)), len(path))]
	if len(path) < 2 || path[0] != '/' {
		return
	}
	ns := path[1:]
	for i, b := range ns {
		if b == '/' {
			ns = ns[:i]
			break
		}
	}
	n.opt.Metrics.ReadPerNamespace.ObserveBytes(ns, int64(len(path)+replyBytes))
}

// countEvents counts how many connections each change told
// (WatchManager.triggerWatch); the events of one change stand together.
func (n *Node) countEvents(events []state.Event) {
	m := n.opt.Metrics
	summaries := [...]*metrics.Summary{
		proto.EventNodeCreated: &m.Created, proto.EventNodeDeleted: &m.Deleted,
		proto.EventNodeDataChanged: &m.Changed, proto.EventNodeChildrenChanged: &m.Children,
	}
	for from := 0; from < len(events); {
		e, to := &events[from], from+1
		for to < len(events) && events[to].Type == e.Type && events[to].Path == e.Path {
			to++
		}
		summaries[e.Type].Observe(int64(to - from))
		from = to
	}
}

// quotaLogInterval is how often soft quotas that are exceeded are logged.
const quotaLogInterval = time.Minute

// warnQuotas counts and, now and then, logs quotas that the last batch
// exceeded (RateLogger in DataTree). The caller holds the lock exclusively.
func (n *Node) warnQuotas(now time.Time) {
	warnings := n.state.Tree().TakeQuotaWarnings()
	for i := range warnings {
		w := &warnings[i]
		if ns, ok := metrics.Namespace(w.Path); ok {
			n.opt.Metrics.QuotaExceededPerNamespace.Add(ns, 1)
		}
		if now.Sub(n.quotaLogged) < quotaLogInterval {
			continue
		}
		kind := "count"
		if w.Bytes {
			kind = "bytes"
		}
		n.log.Warn("Quota exceeded", "path", w.Path, "quota", kind, "hard", w.Hard, "used", w.Used, "limit", w.Limit)
	}
	if len(warnings) > 0 && now.Sub(n.quotaLogged) >= quotaLogInterval {
		n.quotaLogged = now
	}
}
