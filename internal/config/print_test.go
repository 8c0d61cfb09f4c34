package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// again prints c, loads what was printed and returns it.
func again(t *testing.T, c Config, myid string) Config {
	t.Helper()
	for _, text := range []string{c.String(), printed(t, c)} {
		f := files{"zoo.cfg": text}
		if myid != "" {
			f[c.DataDir+"/myid"] = myid
		}
		got, _, err := load(Args{Positional: []string{"zoo.cfg"}}, f.read)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if !reflect.DeepEqual(got, c) {
			t.Fatalf("got\n%s\nwant\n%s", got, c)
		}
	}
	return c
}

func printed(t *testing.T, c Config) string {
	t.Helper()
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRoundTrip(t *testing.T) {
	for _, text := range []string{
		"",
		"clientPortAddress=::1\nclientPort=0\n4lw.commands.whitelist=stat\nautopurge.purgeInterval=90s\nforceSync=no\n",
		"jute.maxbuffer=10\nreadonlymode.enabled=true\nsnapshotSizeFactor=-1\nenforce.auth.schemes=a,b\n",
		"minSessionTimeout=1\nmaxSessionTimeout=2\n",
		"dataLogDir=/a\\ b\\\\c\\u0001\\u00e9\\u20ac\nadmin.commandURL=\nmetricsProvider.className=x.PrometheusMetricsProvider\n",
		"server.1=a:1:2|b:3:4\nserver.2=c:1:2:observer;[::1]:99\nserver.3=d:1:2;;77\nmultiAddress.enabled=true\ngroup.1=1:3\n",
	} {
		c, _ := loadFiles(t, files{"zoo.cfg": ensemble + text, "/d/myid": "1"}, Args{})
		again(t, c, "1")
		if len(c.Hash()) != 16 {
			t.Errorf("hash %s", c.Hash())
		}
	}
}

// TestRoundTripOfEveryKey gives every key another value than its default, one at a time.
func TestRoundTripOfEveryKey(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	base, _ := loadText(t, minimal, Args{})
	for i := range table {
		r := &table[i]
		value := "some"
		switch r.kind {
		case kindInt, kindDecode, kindLong:
			lo, hi := r.limits()
			value = fmt.Sprint(min(hi, max(lo, r.floor, 7)+random.Int64N(1000)))
		case kindInterval:
			value = "31m"
		case kindFloat:
			value = "0.125"
		case kindBool:
			value = fmt.Sprint(r.def != "true")
		case kindYesNo:
			value = map[string]string{"yes": "no", "no": "yes"}[r.def]
		case kindEnum:
			value = r.oneOf[1]
		}
		if r.at == nil || r.key == "dynamicConfigFile" || r.key == "standaloneEnabled" || strings.HasSuffix(r.key, "SessionTimeout") {
			continue
		}
		lines := minimal + "enforce.auth.schemes=ip\n"
		if r.key == "secureClientPortAddress" {
			lines += "secureClientPort=99\n"
		}
		c, _ := loadText(t, lines+r.key+"="+value, Args{})
		if r.kind == kindSecret {
			if !strings.Contains(c.String(), "# "+r.key+"="+redacted) || strings.Contains(c.String(), "some") {
				t.Errorf("%s: %s", r.key, c)
			}
			continue
		}
		if r.key != "electionAlg" && reflect.DeepEqual(r.at(&c), r.at(&base)) {
			t.Errorf("%s=%s changes nothing", r.key, value)
		}
		again(t, c, "")
	}
}

type wrapper struct{ hidden Config }

// TestSecretsNeverShow looks for a secret in everything that can come out of Load, whatever the formatting.
func TestSecretsNeverShow(t *testing.T) {
	const secret = "hunter2"
	text := minimal + "DigestAuthenticationProvider.superDigest=super:" + secret + "\n" +
		"SASLAuthenticationProvider.superPassword=" + secret + "\nssl.keyStore.password=" + secret + "\n" +
		"DigestAuthenticationProvider.superDigset=super:" + secret + "\nsnapCount=1\n"
	args := Args{
		Positional: []string{"zoo.cfg"}, Properties: []string{"-Dzookeeper.ssl.trustStore.password=" + secret, "my.password=" + secret},
		Environ: []string{"QUOKKA_SSL_QUORUM_KEY_STORE_PASSWORD=" + secret, "QUOKKA_PASSWORD=" + secret},
	}
	c, notices, err := load(args, files{"zoo.cfg": text}.read)
	if err != nil || c.SuperDigest.Reveal() != "super:"+secret || !c.SASLSuperPassword.IsSet() {
		t.Fatalf("%v", err)
	}
	_, _, bad := load(args, files{"zoo.cfg": text + "tickTime=x\nDigestAuthenticationProvider.superDigest=" + secret + "\\u1\n"}.read)
	if bad == nil {
		t.Fatal("no error")
	}
	var out strings.Builder
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "secret", c.SuperDigest, "auth", c.Auth)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "secret", c.SuperDigest, "auth", c.Auth)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&out, string(encoded), printed(t, c), notices, bad, c.Settings())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%z"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, c.Auth, c.SuperDigest, wrapper{c}, &c.SuperDigest)
	}
	for _, leak := range []string{secret, fmt.Sprintf("%x", secret)} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("secret in output: ...%s", out.String()[max(0, i-80):i])
		}
	}
	if s := NewSecret(""); s.IsSet() || s.Reveal() != "" || s.String() != "" {
		t.Error("an empty secret is set")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(ensemble + "server.1=a:1:2\nserver.2=[::1]:1:2:observer;2181;2182\ngroup.1=1\nweight.1=2\nstandaloneEnabled=false"))
	f.Add([]byte(minimal + "jute.maxbuffer=0x10\n\\\na\\u0041 : b\\\r\n  c\nautopurge.purgeInterval=3d\n\xef\xbb\xbf"))
	f.Add([]byte("dynamicConfigFile=zoo.cfg\ndataDir=zoo.cfg\nclientPort=1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		one := files{"zoo.cfg": string(data)}
		c, notices, err := load(Args{Positional: []string{"zoo.cfg"}}, one.read)
		for _, n := range notices {
			if strings.ContainsAny(n.String(), "\n\x00") {
				t.Errorf("notice of several lines: %q", n)
			}
		}
		if err != nil {
			return
		}
		printedFiles := files{"zoo.cfg": c.String()}
		got, _, err := load(Args{Positional: []string{"zoo.cfg"}}, printedFiles.read)
		if err != nil {
			t.Fatalf("%v in\n%s", err, c)
		}
		if got.Hash() != c.Hash() {
			t.Fatalf("got\n%s\nwant\n%s", got, c)
		}
	})
}
