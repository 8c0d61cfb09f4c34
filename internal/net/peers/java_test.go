package peers

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quokka/internal/core/quorum"
	"quokka/internal/jute"
	"quokka/internal/proto"
)

// needJava skips the test, or fails it if QUOKKA_INTEROP=require.
func needJava(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("java")
	if err == nil {
		_, err = os.Stat("/usr/share/java/zookeeper.jar")
	}
	if err == nil {
		return
	}
	if os.Getenv("QUOKKA_INTEROP") == "require" {
		t.Fatalf("Java ZooKeeper is required: %v", err)
	}
	t.Skipf("Java ZooKeeper is not installed: %v", err)
}

// freePorts returns ports that nobody listens on now.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, port := listenRaw(t)
		defer func() { _ = l.Close() }()
		ports = append(ports, port)
	}
	return ports
}

// startJava runs server 2 of an ensemble whose servers 1 and 3 the test
// plays.
func startJava(t *testing.T, o Options) (one, java, three *running) {
	t.Helper()
	needJava(t)
	o.Me = 1
	one = start(t, o)
	o.Me = 3
	three = start(t, o)
	ports := freePorts(t, 3)
	java = &running{self: server(2, ports[0], ports[1])}
	servers := []quorum.Server{one.self, java.self, three.self}
	one.SetServers(servers)
	three.SetServers(servers)
	dir := t.TempDir()
	var cfg strings.Builder
	cfg.WriteString(fmt.Sprintf("dataDir=%s\nclientPort=%d\ntickTime=2000\ninitLimit=10\nsyncLimit=5\nadmin.enableServer=false\nmultiAddress.enabled=%v\n",
		dir, ports[2], o.MultiAddress))
	for _, s := range servers {
		cfg.WriteString(fmt.Sprintf("server.%d=127.0.0.1:%d:%d\n", s.ID, s.Addrs[0].QuorumPort, s.Addrs[0].ElectionPort))
	}
	for name, text := range map[string]string{"zoo.cfg": cfg.String(), "myid": "2\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "java", "-Xmx256m", "-cp", "/usr/share/java/*",
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(dir, "zoo.cfg"))
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Java:\n%s\n1:\n%s\n3:\n%s", out, one.log, three.log)
		}
	})
	return one, java, three
}

// heard waits for a notification of Java's that is as wanted.
func heard(t *testing.T, p *running, want func(proto.Notification) bool) proto.Notification {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case e := <-p.sink.events:
			if e.kind == "vote" && e.server != 2 {
				t.Fatalf("a vote of %d", e.server)
			}
			if e.kind == "vote" && want(e.vote) {
				return e.vote
			}
		case <-limit:
			t.Fatalf("server %d does not hear what it waits for", p.opt.Me)
		}
	}
}

func votesFor(leader proto.ServerID) func(proto.Notification) bool {
	return func(n proto.Notification) bool { return n.State == proto.Looking && n.Leader == leader }
}

// Java's notifications come to a smaller and to a larger server than itself,
// and ours to Java: it follows our vote, and then connects to our quorum port.
func TestJavaElectsAndFollowsOurs(t *testing.T) {
	for _, multi := range []bool{false, true} {
		t.Run(fmt.Sprint("multiAddress=", multi), func(t *testing.T) {
			one, _, three := startJava(t, Options{MultiAddress: multi})
			heard(t, one, votesFor(2))
			n := heard(t, three, votesFor(2))
			n.Leader, n.Zxid, n.PeerEpoch = 3, 0x100000007, 1
			// Only the smaller one says so: Java is persuaded, and tells both.
			one.Notify(2, proto.AppendNotification(nil, &n))
			heard(t, one, votesFor(3))
			heard(t, three, votesFor(3))
			three.Listen(true)
			three.Notify(2, proto.AppendNotification(nil, &n))
			e := three.sink.nextOf("accepted")
			info, err := proto.DecodeLearnerInfo(e.packet.Data)
			if err != nil || info.Server != 2 || info.Protocol != proto.LearnerProtocol || e.packet.Type != proto.PacketFollowerInfo {
				t.Fatalf("%+v, %v", info, err)
			}
			epoch := proto.Zxid(2 << 32)
			three.Send(e.link, proto.QuorumPacket{Type: proto.PacketLeaderInfo, Zxid: epoch, Data: jute.AppendInt(nil, proto.LearnerProtocol)})
			if a := three.sink.nextOf("packet"); a.packet.Type != proto.PacketAckEpoch || a.packet.Zxid != 0 {
				t.Fatalf("%+v", a.packet)
			}
			three.Send(e.link, proto.QuorumPacket{Type: proto.PacketDiff})
			three.Send(e.link, proto.QuorumPacket{Type: proto.PacketNewLeader, Zxid: epoch, Data: []byte(n.Config)})
			if a := three.sink.nextOf("packet"); a.packet.Type != proto.PacketAck || a.packet.Zxid != epoch {
				t.Fatalf("%+v", a.packet)
			}
			three.Close(e.link)
			if d := three.sink.nextOf("down"); d.link != e.link {
				t.Errorf("%+v", d)
			}
			heard(t, one, votesFor(2)) // back to the election, without its leader
		})
	}
}

// A link of ours to a leading Java server carries the whole beginning.
func TestOursFollowsJava(t *testing.T) {
	one, _, _ := startJava(t, Options{})
	n := heard(t, one, votesFor(2))
	one.Notify(2, proto.AppendNotification(nil, &n))
	link := uint64(firstDialled)
	for try := 0; ; try++ { // Java's port opens when it leads
		one.Dial(link, 2, 10*time.Second)
		if e := one.sink.nextNot("vote"); e.kind == "up" {
			break
		}
		if link++; try == 20 {
			t.Fatal("Java does not lead")
		}
	}
	info := proto.AppendLearnerInfo(nil, proto.LearnerInfo{Server: 1, Protocol: proto.LearnerProtocol, Quokka: true})
	one.Send(link, proto.QuorumPacket{Type: proto.PacketFollowerInfo, Data: info})
	e := one.sink.nextOf("packet")
	if e.packet.Type != proto.PacketLeaderInfo || e.packet.Zxid != 1<<32 {
		t.Fatalf("%+v", e.packet)
	}
	one.Send(link, proto.QuorumPacket{Type: proto.PacketAckEpoch, Data: binary.BigEndian.AppendUint32(nil, 0)})
	if e := one.sink.nextOf("packet"); e.packet.Type != proto.PacketDiff || e.packet.Data != nil || e.packet.Auth != nil {
		t.Fatalf("%+v", e.packet)
	}
	if e := one.sink.nextOf("packet"); e.packet.Type != proto.PacketNewLeader || e.packet.Zxid != 1<<32 || len(e.packet.Data) == 0 {
		t.Fatalf("%+v", e.packet)
	}
	one.Send(link, proto.QuorumPacket{Type: proto.PacketAck, Zxid: 1 << 32})
	if e := one.sink.nextOf("packet"); e.packet.Type != proto.PacketUpToDate {
		t.Fatalf("%+v", e.packet)
	}
	for range 3 { // pings, answered as a learner does
		e := one.sink.nextOf("packet")
		if e.packet.Type != proto.PacketPing {
			t.Fatalf("%+v", e.packet)
		}
		one.Send(link, proto.QuorumPacket{Type: proto.PacketPing, Zxid: e.packet.Zxid, Data: []byte{}})
	}
	one.Close(link)
	one.sink.nextOf("down")
}
