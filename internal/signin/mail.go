package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	linkValid = 15 * time.Minute
	// mailLimit is the maximum number of mails to one address in mailWindow.
	mailLimit  = 3
	mailWindow = linkValid
	// maxMailboxes is the maximum number of mailboxes of known domains that get mail in mailWindow. It
	// also bounds the memory for counting. People who are named themselves are counted apart, so a
	// flood of invented addresses of a known domain doesn't lock them out.
	maxMailboxes = 10_000
	// maxRequests bounds the requests that wait to be looked at, which takes microseconds.
	maxRequests = 1000
	// maxMails bounds the mails that wait for the mail server.
	maxMails = 100
	senders  = 2
	// mailTimeout is as long as a notice may take.
	mailTimeout = 30 * time.Second
	// stopWithin is how long queued mails may take when the process stops.
	stopWithin = 5 * time.Second
	// complainEvery limits the log lines that a flood of requests can cause.
	complainEvery = time.Minute
)

// link is what the key in a mailed link says.
type link struct {
	Address string `json:"a"`
	ID      string `json:"i"`
	Issued  int64  `json:"t"` // Unix time in seconds
	Next    string `json:"n,omitempty"`
}

// linkRequest is one request for a link. The address was not looked up yet.
type linkRequest struct{ address, next string }

// mailer sends links. A request is queued before its address is looked up, so how long the answer
// takes doesn't tell whether the address is known.
type mailer struct {
	links    *sealer
	baseURL  string
	people   people
	send     func(ctx context.Context, to, subject, text string) error
	useOnce  func(ctx context.Context, id string) (bool, error)
	asking   *limiter // per peer
	named    *limiter // per address in People
	byDomain *limiter // per mailbox of a domain in People
	requests chan linkRequest
	logger   *slog.Logger
	now      func() time.Time

	overflow, limited rate.Sometimes
}

func newMailer(o *Options, s *Service) (*mailer, error) {
	if o.Mail == nil || o.UseOnce == nil {
		return nil, errors.New("signing in by mail needs a way to send mail, and to remember used links")
	}
	links, err := newSealer(o.Secrets, "sign-in link")
	if err != nil {
		return nil, err
	}
	return &mailer{
		links: links, baseURL: s.baseURL, people: s.people, send: o.Mail, useOnce: o.UseOnce,
		asking:   newPeerLimiter(),
		named:    newLimiter(mailLimit, mailWindow, len(s.people.addresses), false),
		byDomain: newLimiter(mailLimit, mailWindow, maxMailboxes, false),
		requests: make(chan linkRequest, maxRequests),
		logger:   o.Logger, now: o.Now,
		overflow: rate.Sometimes{Interval: complainEvery},
		limited:  rate.Sometimes{Interval: complainEvery},
	}, nil
}

// ask queues a request. A full queue drops it, because the caller's answer must not depend on
// anything.
func (m *mailer) ask(ctx context.Context, request linkRequest) {
	select {
	case m.requests <- request:
	default:
		m.overflow.Do(func() {
			m.logger.WarnContext(ctx, "requests for sign-in links were dropped: the queue is full")
		})
	}
}

func (m *mailer) run(ctx context.Context) {
	sendCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopWithin, cancel) })()
	var sending sync.WaitGroup
	mails := make(chan linkRequest, maxMails)
	for range senders {
		sending.Go(func() {
			for request := range mails {
				m.sendLink(sendCtx, request)
			}
		})
	}
	for stopped := false; !stopped; {
		select {
		case request := <-m.requests:
			m.decide(ctx, request, mails)
		case <-ctx.Done():
			stopped = true
		}
	}
	for len(m.requests) > 0 {
		m.decide(ctx, <-m.requests, mails)
	}
	close(mails)
	sending.Wait()
}

// decide queues the mail that a request asked for, if its address gets one.
func (m *mailer) decide(ctx context.Context, request linkRequest, mails chan<- linkRequest) {
	known, named := m.people.match(request.address)
	if !known {
		return
	}
	counted, key := m.byDomain, mailbox(request.address)
	if named {
		counted, key = m.named, request.address
	}
	if _, ok := counted.take(key, m.now()); !ok {
		m.limited.Do(func() {
			m.logger.WarnContext(ctx, "sign-in links were not sent: somebody asked for too many")
		})
		return
	}
	select {
	case mails <- request:
	default:
		m.overflow.Do(func() {
			m.logger.WarnContext(ctx, "sign-in links were dropped: the mail server takes mail too slowly")
		})
	}
}

const mailSubject = "Sign in to the order desk"

// sendLink signs the link only now, so that time in the queue doesn't count.
func (m *mailer) sendLink(ctx context.Context, request linkRequest) {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	key, err := m.links.seal(link{
		Address: request.address, ID: randomID(), Issued: m.now().Unix(), Next: request.next,
	})
	if err == nil {
		text := mailText(request.address, m.baseURL+"/sign-in/"+key)
		err = m.send(ctx, request.address, mailSubject, text)
	}
	if err != nil {
		m.logger.ErrorContext(ctx, "a sign-in link could not be sent; its receiver can ask for another",
			"error", err)
	}
}

func mailText(address, link string) string {
	return fmt.Sprintf(`Somebody, probably you, asked to sign in to the order desk as %s.

Open this link and press the button on the page:

%s

The link is good for 15 minutes, and works once.

If you did not ask for it, ignore this mail. Do not pass it on: the link signs in whoever has it.
`, address, link)
}

// open returns what a key says. The error is errForged, or errExpired with what the key said.
func (m *mailer) open(key string) (link, error) {
	var l link
	if err := m.links.open(key, &l); err != nil {
		return link{}, err
	}
	if expired(l.Issued, linkValid, m.now()) {
		return l, errExpired
	}
	return l, nil
}

var errExpired = errors.New("it has expired")
