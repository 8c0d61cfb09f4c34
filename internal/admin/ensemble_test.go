package admin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quokka/internal/proto"
)

const members = `server.1=127.0.0.1:22881:23881:participant
server.2=127.0.0.1:22882:23882:participant
server.3=127.0.0.1:22883:23883:participant
server.4=127.0.0.1:22884:23884:observer
version=0`

// memberOf is the state in which samples were taken from a member of a Java ensemble.
func memberOf(mode string, id int) *fakeSource {
	src := verified()
	verb := map[string]string{"leader": "leading", "follower": "following", "observer": "observing"}[mode]
	src.status.Mode = mode
	src.status.Zxid = 0x100000008
	src.status.Ensemble = &EnsembleStatus{PeerState: verb + " - broadcast", QuorumSize: 3, ObserverMaster: 3}
	src.conf.ServerID = int64(id)
	src.conf.Ensemble = &EnsembleConf{
		InitLimit: 10, SyncLimit: 5, ElectionAlg: 3, ElectionPorts: []int{23880 + id}, QuorumPorts: []int{22880 + id},
		Observer: mode == "observer", Membership: members,
	}
	if mode == "leader" {
		src.status.Ensemble.Leading = &Leading{
			Learners: 3, SyncedFollowers: 2, SyncedObservers: 1, Uptime: time.Minute,
			Proposals: ProposalSizes{Last: 127, Min: 48, Max: 127},
		}
		return src
	}
	src.timeouts = map[proto.SessionID]int32{0x30000cfb4c60000: 30000, 0x10000cfb4980000: 30000}
	return src
}

const memberConf = `clientPort=21011
secureClientPort=-1
dataDir=/data/zk/s2/version-2
dataDirSize=67109337
dataLogDir=/data/zk/s2/version-2
dataLogSize=67109337
tickTime=500
maxClientCnxns=60
minSessionTimeout=1000
maxSessionTimeout=10000
clientPortListenBacklog=-1
serverId=4
initLimit=10
syncLimit=5
electionAlg=3
electionPort=23884
quorumPort=22884
peerType=1
`

func TestConfOfAMember(t *testing.T) {
	src := memberOf("observer", 4)
	if got, want := ask(t, allWords(src), "conf", nil), memberConf+"membership: \n"+members; got != want {
		t.Errorf("conf:\n%s\nwant:\n%s", got, want)
	}
	src.conf.Ensemble.Membership = "" // a read-only server
	if got := ask(t, allWords(src), "conf", nil); got != memberConf {
		t.Errorf("conf of a read-only server:\n%s", got)
	}
	src.conf.Ensemble.QuorumPorts = []int{1, 2}
	if got := ask(t, allWords(src), "conf", nil); !strings.Contains(got, "\nquorumPort=1|2\n") {
		t.Errorf("two addresses:\n%s", got)
	}
}

func TestOnlyALeaderShowsProposalSizes(t *testing.T) {
	for _, mode := range []string{"leader", "follower", "observer"} {
		for _, word := range []string{"srvr", "stat"} {
			got := ask(t, allWords(memberOf(mode, 3)), word, nil)
			if !strings.Contains(got, "\nZxid: 0x100000008\nMode: "+mode+"\nNode count: 7\n") {
				t.Errorf("%s of a %s:\n%s", word, mode, got)
			}
			if leads := strings.HasSuffix(got, "7\nProposal sizes last/min/max: 127/48/127\n"); leads != (mode == "leader") {
				t.Errorf("%s of a %s ends %q", word, mode, got[len(got)-60:])
			}
		}
	}
	src := memberOf("leader", 3)
	src.status.Ensemble.Leading.Proposals = ProposalSizes{-1, -1, -1}
	if got := ask(t, allWords(src), "srvr", nil); !strings.HasSuffix(got, "Proposal sizes last/min/max: -1/-1/-1\n") {
		t.Errorf("before the first proposal: %s", got)
	}
}

func TestMonitorOfAMember(t *testing.T) {
	begin := func(mode string) []string {
		return []string{"zk_version\t" + javaVersion, "zk_server_state\t" + mode}
	}
	for mode, want := range map[string][]string{
		"leader":   append(begin("leader"), "zk_peer_state\tleading - broadcast", "zk_avg_latency\t5.0"),
		"follower": append(begin("follower"), "zk_peer_state\tfollowing - broadcast", "zk_avg_latency\t5.0"),
		"observer": append(begin("observer"), "zk_peer_state\tobserving - broadcast", "zk_observer_master_id\t3", "zk_avg_latency\t5.0"),
	} {
		got := strings.Split(ask(t, allWords(memberOf(mode, 3)), "mntr", nil), "\n")
		if !slices.Equal(got[:len(want)], want) {
			t.Errorf("mntr of a %s begins %q", mode, got[:len(want)])
		}
		for line, everybody := range map[string]bool{
			"zk_quorum_size\t3": true, "zk_learners\t3": false, "zk_synced_followers\t2": false,
			"zk_synced_non_voting_followers\t0": false, "zk_synced_observers\t1": false, "zk_pending_syncs\t0": false,
			"zk_leader_uptime\t60000": false, "zk_last_proposal_size\t127": false, "zk_max_proposal_size\t127": false,
			"zk_min_proposal_size\t48": false,
		} {
			if slices.Contains(got, line) != (everybody || mode == "leader") {
				t.Errorf("mntr of a %s and %q", mode, line)
			}
		}
	}
}

func TestDumpOfAMember(t *testing.T) {
	inUTC(t)
	want := "SessionTracker dump:\nGlobal Sessions(2):\n0x10000cfb4980000\t30000ms\n0x30000cfb4c60000\t30000ms\nephemeral nodes dump:\n"
	if got := ask(t, allWords(memberOf("follower", 1)), "dump", nil); !strings.HasPrefix(got, want) {
		t.Errorf("a learner's dump:\n%s", got)
	}
	if got := ask(t, allWords(memberOf("leader", 3)), "dump", nil); got != golden["dump"] {
		t.Errorf("a leader's dump:\n%s", got)
	}
}

// With local sessions a server shows its own first (LearnerSessionTracker, LeaderSessionTracker).
func TestDumpWithLocalSessions(t *testing.T) {
	inUTC(t)
	local := map[time.Time][]proto.SessionID{time.Date(2026, 11, 22, 15, 0, 20, 0, time.UTC): {session}}
	want := "SessionTracker dump:\nLocal Session Sets (1)/(1):\n1 expire at Sun Nov 22 15:00:20 UTC 2026:\n\t0x100001bdc900000\n"
	for mode, next := range map[string]string{"follower": "Global Sessions(2):\n", "leader": "Global Session Sets (1)/(1):\n"} {
		src := memberOf(mode, 3)
		src.local = local
		if got := ask(t, allWords(src), "dump", nil); !strings.HasPrefix(got, want+next) {
			t.Errorf("a %s's dump:\n%s", mode, got)
		}
	}
}

// The role may end between the question whether the server serves and the one what it does.
func TestTheRoleEndsWhileAWordIsAnswered(t *testing.T) {
	src := memberOf("leader", 3)
	src.status = Status{}
	for _, word := range []string{"srvr", "stat", "mntr"} {
		if got := ask(t, allWords(src), word, nil); got != NotServing+"\n" {
			t.Errorf("%s: %q", word, got)
		}
	}
}
