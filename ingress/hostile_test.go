package ingress

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"error-check-gate/internal/inflow"
)

// notAudited is the reason in cases without a record in the audit log: net/http refuses the request
// itself, or the request does not deliver a webhook.
const notAudited = ""

const ignored = `{"event":"…","status":"ignored"}`

// hostileCase is a request that an attacker may send, and its answer.
type hostileCase struct {
	name    string
	request raw
	status  int
	want    string // the body; "…" stands for any text
	reason  string // in the audit log
}

// withField returns a valid body with an additional field.
func withField(field string) string {
	return `{"event":"salesOrder.updated","salesOrderId":"` + orderID + `",` + field + `}`
}

// withID returns a body whose order id is the given JSON value.
func withID(id string) string {
	return `{"event":"salesOrder.updated","data":{"salesOrderId":` + id + `}}`
}

// list joins n elements with commas.
func list(n int, element func(i int) string) string {
	elements := make([]string, n)
	for i := range elements {
		elements[i] = element(i)
	}
	return strings.Join(elements, ",")
}

func zero(int) string { return "0" }

// hostileLengths returns cases whose Content-Length is wrong, large or unusual.
func hostileLengths() []hostileCase {
	good := documentedBody(orderID)
	return []hostileCase{
		{
			"a length over 256 KiB", raw{headers: []string{"Content-Length: 262145"}},
			413, someError, "body-too-large",
		},
		{
			"a length of 8 EiB", raw{headers: []string{"Content-Length: 9223372036854775807"}},
			413, someError, "body-too-large",
		},
		{
			"a length of over 64 bits",
			raw{headers: []string{"Content-Length: 99999999999999999999"}},
			400, "400 Bad Request", notAudited,
		},
		{
			"a negative length", raw{headers: []string{"Content-Length: -1"}},
			400, "400 Bad Request", notAudited,
		},
		{
			"a length in hexadecimal", raw{headers: []string{"Content-Length: 0x10"}},
			400, "400 Bad Request", notAudited,
		},
		{
			"two lengths",
			raw{
				body: good,
				headers: []string{
					"Content-Length: 5",
					fmt.Sprintf("Content-Length: %d", len(good)),
				},
			},
			400, "400 Bad Request", notAudited,
		},
	}
}

// hostileChunks returns cases with a chunked body.
func hostileChunks(t *testing.T) []hostileCase {
	good := documentedBody(orderID)
	goodSignature := sign(t, firstSecret, good)
	return []hostileCase{
		{
			"chunks over 256 KiB",
			raw{
				headers: []string{"Transfer-Encoding: chunked"},
				sent:    chunkedBody(strings.Repeat(" ", maxBodySize+1), 4096),
			},
			413, someError, "body-too-large",
		},
		{
			"chunks of 2 MiB together",
			raw{
				headers: []string{"Transfer-Encoding: chunked"},
				sent:    chunkedBody(strings.Repeat(" ", 8*maxBodySize), 65536),
			},
			413, someError, "body-too-large",
		},
		{
			"chunks of one byte",
			raw{
				body:    good,
				headers: []string{"Transfer-Encoding: chunked"},
				sent:    chunkedBody(good, 1),
			},
			200, received(orderID), "received",
		},
		{
			"chunks that are mostly extensions",
			raw{
				headers: []string{"Transfer-Encoding: chunked"},
				sent:    strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\n \r\n", 100),
			},
			400, someError, "body-incomplete",
		},
		{
			"a chunk size of 10,000 digits",
			raw{headers: []string{"Transfer-Encoding: chunked"}, sent: strings.Repeat("0", 10_000)},
			400, someError, "body-incomplete",
		},
		{
			"a chunk with a negative size",
			raw{headers: []string{"Transfer-Encoding: chunked"}, sent: "-1\r\n \r\n"},
			400, someError, "body-incomplete",
		},
		{
			"trailers",
			raw{
				body:    good,
				headers: []string{"Transfer-Encoding: chunked", "Trailer: X-Sum"},
				sent:    strings.TrimSuffix(chunkedBody(good, 50), "\r\n") + "X-Sum: 1\r\n\r\n",
			},
			200, received(orderID), "received",
		},
		{
			"the signature as a trailer",
			raw{
				body:      good,
				signature: "none",
				headers: []string{
					"Transfer-Encoding: chunked",
					"Trailer: " + inflow.SignatureHeader,
				},
				sent: strings.TrimSuffix(chunkedBody(good, 50), "\r\n") + inflow.SignatureHeader +
					": " + goodSignature + "\r\n\r\n",
			},
			401, invalidSignature, "signature-missing",
		},
		{
			"1 MB of trailers",
			raw{
				headers: []string{"Transfer-Encoding: chunked"},
				sent: "0\r\n" +
					strings.Repeat("X-Trailer: "+strings.Repeat("x", 1000)+"\r\n", 1000),
			},
			400, someError, "body-incomplete",
		},
	}
}

// hostileEncodings returns cases whose body is encoded or claims to be.
func hostileEncodings(t *testing.T) []hostileCase {
	good := documentedBody(orderID)
	bomb := compressed(t, strings.Repeat(" ", 50<<20)) // 50 MiB in 50 KiB
	return []hostileCase{
		{
			"compressed",
			raw{body: compressed(t, good), headers: []string{"Content-Encoding: gzip"}},
			415, someError, "content-encoding",
		},
		{
			"50 MiB, compressed", raw{body: bomb, headers: []string{"Content-Encoding: gzip"}},
			415, someError, "content-encoding",
		},
		{
			"compressed without Content-Encoding", raw{body: compressed(t, good)},
			400, someError, "payload-not-json",
		},
		{
			"identity encoding", raw{body: good, headers: []string{"Content-Encoding: identity"}},
			415, someError, "content-encoding",
		},
		{
			"two encodings",
			raw{body: good, headers: []string{"Content-Encoding:", "Content-Encoding: br"}},
			415, someError, "content-encoding",
		},
		{
			"an empty encoding", raw{body: good, headers: []string{"Content-Encoding:"}},
			200, received(orderID), "received",
		},
		{
			"gzip as a transfer encoding",
			raw{body: good, headers: []string{"Transfer-Encoding: gzip, chunked"}},
			501, "…", notAudited,
		},
		{
			"an unknown transfer encoding",
			raw{body: good, headers: []string{"Transfer-Encoding: xchunked"}},
			501, "…", notAudited,
		},
		{
			"two transfer encodings",
			raw{
				body:    good,
				headers: []string{"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"},
			},
			501, "…", notAudited,
		},
	}
}

// hostileHeaders returns cases with unusual or malformed headers.
func hostileHeaders(t *testing.T) []hostileCase {
	good := documentedBody(orderID)
	goodSignature := sign(t, firstSecret, good)
	return []hostileCase{
		{
			"a folded header",
			raw{body: good, signature: goodSignature[:20] + "\r\n " + goodSignature[20:]},
			401, invalidSignature, "signature-malformed",
		},
		{
			"a NUL in a header", raw{body: good, headers: []string{"X-Nul: a\x00b"}},
			400, "400 Bad Request", notAudited,
		},
		{
			"a space after a header's name",
			raw{body: good, headers: []string{"Content-Length : 5"}},
			400, "400 Bad Request: invalid header name", notAudited,
		},
		{
			"a header without a colon", raw{body: good, headers: []string{"nonsense"}},
			400, "400 Bad Request", notAudited,
		},
		{
			"a header of 32 KiB",
			raw{body: good, headers: []string{"X-Long: " + strings.Repeat("x", 32<<10)}},
			431, "431 Request Header Fields Too Large", notAudited,
		},
		{
			"20,000 headers",
			raw{
				body:    good,
				headers: strings.Split(strings.Repeat("X-A: 1\n", 20_000), "\n")[:20_000],
			},
			431, "431 Request Header Fields Too Large", notAudited,
		},
		{
			"no host", raw{body: good, host: "X-No: host\r\n"},
			400, "400 Bad Request: missing required Host header", notAudited,
		},
		{
			"two hosts", raw{body: good, host: "Host: gate\r\nHost: other\r\n"},
			400, "400 Bad Request", notAudited,
		},
		{
			"a host with markup", raw{body: good, host: "Host: gate\"><script>\r\n"},
			400, "400 Bad Request: malformed Host header", notAudited,
		},
		{
			"a broken Content-Type",
			raw{body: good, headers: []string{"Content-Type: application/json\x01"}},
			400, "400 Bad Request", notAudited,
		},
		{
			"a Content-Type of 12 kB",
			raw{
				body:    good,
				headers: []string{"Content-Type: " + strings.Repeat("application/", 1000)},
			},
			415, someError, "content-type",
		},
		{
			"expects 100-continue", raw{body: good, headers: []string{"Expect: 100-continue"}},
			200, received(orderID), "received",
		},
		{
			"expects something else", raw{body: good, headers: []string{"Expect: a-miracle"}},
			417, "", notAudited,
		},
		{
			"wants another protocol",
			raw{
				body: good,
				headers: []string{
					"Connection: Upgrade, HTTP2-Settings",
					"Upgrade: h2c",
					"HTTP2-Settings: AAMAAABkAAQAAP__",
				},
			},
			200, received(orderID), "received",
		},
		{
			"a header that overrides the method",
			raw{body: good, headers: []string{"X-HTTP-Method-Override: DELETE"}},
			200, received(orderID), "received",
		},
		{
			"a header that rewrites the address",
			raw{
				body:    good,
				headers: []string{"X-Original-URL: /metrics", "X-Rewrite-URL: /metrics"},
			},
			200, received(orderID), "received",
		},
	}
}

// hostileRequestLines returns cases with unusual or malformed request lines.
func hostileRequestLines() []hostileCase {
	good := documentedBody(orderID)
	return []hostileCase{
		{
			"HTTP/1.0", raw{line: "POST /webhook/inflow HTTP/1.0", body: good},
			200, received(orderID), "received",
		},
		{
			"HTTP/9.9", raw{line: "POST /webhook/inflow HTTP/9.9", body: good},
			505, "505 HTTP Version Not Supported: unsupported protocol version", notAudited,
		},
		{
			"no protocol", raw{line: "POST /webhook/inflow", body: good},
			400, "400 Bad Request", notAudited,
		},
		{
			"a whole URL",
			raw{line: "POST http://elsewhere.example/webhook/inflow HTTP/1.1", body: good},
			200, received(orderID), "received",
		},
		{
			"a query", raw{line: "POST /webhook/inflow?salesOrderId=other HTTP/1.1", body: good},
			200, received(orderID), "received",
		},
		{
			"an escaped slash", raw{line: "POST /webhook%2Finflow HTTP/1.1", body: good},
			200, received(orderID), "received",
		},
		{
			"two slashes", raw{line: "POST //webhook/inflow HTTP/1.1", body: good},
			404, someError, notAudited,
		},
		{
			"a slash at the end", raw{line: "POST /webhook/inflow/ HTTP/1.1", body: good},
			404, someError, notAudited,
		},
		{
			"dots", raw{line: "POST /livez/../webhook/inflow HTTP/1.1", body: good},
			404, someError, notAudited,
		},
		{
			"escaped dots", raw{line: "POST /livez/%2e%2e/webhook/inflow HTTP/1.1", body: good},
			404, someError, notAudited,
		},
		{
			"a path in mixed case", raw{line: "POST /Webhook/Inflow HTTP/1.1", body: good},
			404, someError, notAudited,
		},
		{
			"a NUL at the end", raw{line: "POST /webhook/inflow%00 HTTP/1.1", body: good},
			404, someError, notAudited,
		},
		{
			"line breaks", raw{line: "POST /webhook/inflow%0d%0aX-Evil:%201 HTTP/1.1", body: good},
			404, someError, notAudited,
		},
		{
			"a broken escape", raw{line: "POST /webhook/%zz HTTP/1.1", body: good},
			400, "400 Bad Request", notAudited,
		},
		{
			"a method in lower case", raw{line: "post /webhook/inflow HTTP/1.1", body: good},
			405, someError, "method-not-allowed",
		},
		{
			"TRACE", raw{line: "TRACE /webhook/inflow HTTP/1.1", body: good},
			405, someError, "method-not-allowed",
		},
		{
			"a long method",
			raw{line: strings.Repeat("M", 10_000) + " /webhook/inflow HTTP/1.1", body: good},
			405, someError, "method-not-allowed",
		},
		{
			"a malformed method", raw{line: "PO(ST /webhook/inflow HTTP/1.1", body: good},
			400, "400 Bad Request", notAudited,
		},
		{
			"GET with a body", raw{line: "GET /webhook/inflow HTTP/1.1", body: good},
			200, `{"status":"listening"}`, notAudited,
		},
	}
}

// hostileSignatures returns cases whose signature is missing, doubled, malformed or wrong.
func hostileSignatures(t *testing.T) []hostileCase {
	good := documentedBody(orderID)
	goodSignature := sign(t, firstSecret, good)
	otherBody, otherSignature := bodyWithSignature(t, "+/")
	urlSafe := strings.NewReplacer("+", "-", "/", "_").Replace(otherSignature)
	// The last character before the padding has two bits that must be zero.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(goodSignature) - 2
	next := alphabet[strings.IndexByte(alphabet, goodSignature[last])+1]
	strayBits := goodSignature[:last] + string(next) + "="
	return []hostileCase{
		{
			"no signature", raw{body: good, signature: "none"},
			401, invalidSignature, "signature-missing",
		},
		{
			"two signatures",
			raw{body: good, headers: []string{inflow.SignatureHeader + ": " + goodSignature}},
			401, invalidSignature, "signature-doubled",
		},
		{
			"two signatures, with the header's name in two cases",
			raw{body: good, headers: []string{"X-INFLOW-HMAC-SHA256: " + goodSignature}},
			401, invalidSignature, "signature-doubled",
		},
		{
			"a second signature in another header",
			raw{body: good, headers: []string{"X-Hub-Signature-256: sha256=1"}},
			200, received(orderID), "received",
		},
		{
			"white space around the signature", raw{body: good, signature: "  " + goodSignature + "\t"},
			200, received(orderID), "received",
		},
		{
			"white space within the signature",
			raw{body: good, signature: goodSignature[:20] + " " + goodSignature[21:]},
			401, invalidSignature, "signature-malformed",
		},
		{
			"a URL-safe signature", raw{body: otherBody, signature: urlSafe},
			401, invalidSignature, "signature-malformed",
		},
		{
			"a signature without padding", raw{body: good, signature: strings.TrimRight(goodSignature, "=")},
			401, invalidSignature, "signature-malformed",
		},
		{
			"a signature with stray bits", raw{body: good, signature: strayBits},
			401, invalidSignature, "signature-malformed",
		},
		{
			"a signature in lower case", raw{body: good, signature: strings.ToLower(goodSignature)},
			401, invalidSignature, "signature-mismatch",
		},
		{
			"a hexadecimal signature", raw{body: good, signature: strings.Repeat("0123456789abcdef", 4)},
			401, invalidSignature, "signature-malformed",
		},
		{
			"a signature of zeros", raw{body: good, signature: strings.Repeat("A", 43) + "="},
			401, invalidSignature, "signature-mismatch",
		},
		{
			"a signature of 14 KiB", raw{body: good, signature: strings.Repeat("A", 14<<10)},
			401, invalidSignature, "signature-malformed",
		},
		{
			"a signature of another body", raw{body: documentedBody("another"), signature: goodSignature},
			401, invalidSignature, "signature-mismatch",
		},
		{
			"a body with a byte after the signed part",
			raw{body: good + " ", signature: goodSignature},
			401, invalidSignature, "signature-mismatch",
		},
		{
			"a JSON bomb without a signature", raw{body: strings.Repeat("[", 100_000), signature: "none"},
			401, invalidSignature, "signature-missing",
		},
	}
}

// TestHostile sends requests that an attacker may send, with and without a valid signature. Each
// request must get its status, must be audited with its reason, and must not leak memory.
func TestHostile(t *testing.T) {
	cases := slices.Concat(hostileLengths(), hostileChunks(t), hostileEncodings(t),
		hostileHeaders(t), hostileRequestLines(), hostileSignatures(t),
		hostileSizes(), hostileFields(), hostileSyntax(), hostileIDs())
	// Send them concurrently: net/http waits half a second before it resets a connection with
	// unread data.
	const times = 3
	servers := make([]*testServer, len(cases))
	requests := make([]string, len(cases))
	answers := make([][]reply, len(cases))
	for i, tc := range cases {
		servers[i] = startParallelServer(t, &fakeTemporal{}, withOptions(func(o *Options) {
			o.Logger = slog.New(slog.DiscardHandler)
		}))
		requests[i] = tc.request.text(t)
		answers[i] = make([]reply, times)
	}
	send := func(times int) {
		var group errgroup.Group
		group.SetLimit(8)
		for n := range times {
			for i, ts := range servers {
				group.Go(func() (err error) {
					if answers[i][n], err = ts.exchange(t.Context(), requests[i]); err != nil {
						err = fmt.Errorf("%s: %w", cases[i].name, err)
					}
					return err
				})
			}
		}
		require.NoError(t, group.Wait())
	}
	send(1)
	requireNoGrowth(t, 512<<10, func() { send(times) }) // some requests are 200 KiB long

	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for _, got := range answers[i] {
				assert.Equal(t, tc.status, got.status, got.body)
				if tc.want != "…" {
					assertAlike(t, tc.want, got.body)
				}
				assert.Empty(t, got.header["X-Evil"])
			}
			records := servers[i].audited(t)
			if tc.reason == notAudited {
				assert.Empty(t, records)
				return
			}
			require.Len(t, records, 1+times)
			for _, record := range records {
				assert.Equal(t, tc.reason, record["reason"])
			}
		})
	}
}

// TestSmuggling sends bytes that a proxy may take for one request and the gate for two. The gate
// must read them as the standard says and close the connection after the first answer.
func TestSmuggling(t *testing.T) {
	ts := startServer(t, &fakeTemporal{})
	smuggled := "POST /webhook/inflow HTTP/1.1\r\nHost: gate\r\nContent-Length: 0\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len("0\r\n\r\n"+smuggled))
	const chunks = "Transfer-Encoding: chunked\r\n"
	for name, head := range map[string]string{
		"length and chunks": length + chunks,
		"chunks and length": chunks + length,
		"chunks, hidden":    "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n",
		"HTTP/1.0 chunks":   chunks,
	} {
		t.Run(name, func(t *testing.T) {
			version := "HTTP/1.1"
			if strings.HasPrefix(name, "HTTP/1.0") {
				version = "HTTP/1.0"
			}
			conn := ts.dial(t, "POST /webhook/inflow "+version+"\r\nHost: gate\r\n"+
				head+"\r\n0\r\n\r\n"+smuggled)
			require.NoError(t, conn.SetDeadline(time.Now().Add(generous)))
			answers, _ := io.ReadAll(conn) // until the server closes the connection
			assert.Equal(t, 1, strings.Count(string(answers), "HTTP/1."), "%s", answers)
		})
	}
}
