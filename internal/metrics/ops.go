package metrics

// OpCounts count the operations that were answered, by kind and in total (op_count_* since 3.10, Java
// FinalRequestProcessor.incrementOpCount). A multi counts once.
type OpCounts struct {
	total  Counter
	counts [len(opRows)]Counter
}

type opRow struct {
	name  string
	codes [4]int32 // operation codes (Java ZooDefs.OpCode) counted here; 0 is none
}

// opRows follows the alphabetical order of Java's ServerMetrics.
var opRows = [...]opRow{
	{"add_watch", [4]int32{106}},
	{"check", [4]int32{13}},
	{"check_watches", [4]int32{17}},
	{"close_session", [4]int32{-11}},
	{"create", [4]int32{1, 15, 19, 21}},
	{"create_session", [4]int32{-10}},
	{"delete", [4]int32{2, 20}},
	{"exists", [4]int32{3}},
	{"get_acl", [4]int32{6}},
	{"get_all_children_number", [4]int32{104}},
	{"get_children", [4]int32{8, 12}},
	{"get_data", [4]int32{4}},
	{"get_ephemerals", [4]int32{103}},
	{"multi", [4]int32{14}},
	{"multi_read", [4]int32{22}},
	{"ping", [4]int32{11}},
	{"reconfig", [4]int32{16}},
	{"remove_watches", [4]int32{18}},
	{"set_acl", [4]int32{7}},
	{"set_data", [4]int32{5}},
	{"set_watches", [4]int32{101, 105}},
	{"sync", [4]int32{9}},
	{"who_am_i", [4]int32{107}},
}

// Codes lie between these two.
const (
	leastOp = -11
	mostOp  = 107
)

// rowOfOp maps an operation code to its row plus one, 0 for codes that are not counted (auth, sasl, error).
var rowOfOp = func() (rows [mostOp - leastOp + 1]uint8) {
	for i, row := range opRows {
		for _, code := range row.codes {
			if code != 0 {
				rows[code-leastOp] = uint8(i + 1)
			}
		}
	}
	return rows
}()

// Inc counts one operation that was answered. Codes that Java does not count are ignored.
func (o *OpCounts) Inc(op int32) {
	if op < leastOp || op > mostOp {
		return
	}
	if row := rowOfOp[op-leastOp]; row != 0 {
		o.counts[row-1].Inc()
		o.total.Inc()
	}
}

func (o *OpCounts) counters() []named {
	list := []named{{"op_count_total", &o.total}}
	for i := range opRows {
		list = append(list, named{"op_count_" + opRows[i].name, &o.counts[i]})
	}
	return list
}
