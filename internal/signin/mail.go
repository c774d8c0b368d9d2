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
	// maxMailboxes is the maximum number of mailboxes of known domains that get mail in
	// mailWindow. It also limits the memory for counting. People who are listed by address
	// are counted separately, so a flood of invented addresses of a known domain doesn't lock
	// them out.
	maxMailboxes = 10_000
	// maxRequests is the maximum number of queued requests. Each takes microseconds.
	maxRequests = 1000
	// maxMails is the maximum number of queued mails.
	maxMails = 100
	senders  = 2
	// mailTimeout limits the sending of one mail, as for notices.
	mailTimeout = 30 * time.Second
	// stopTimeout is the time for which a stopping process goes on sending queued mails.
	stopTimeout = 5 * time.Second
	// logInterval limits the log lines that a flood of requests can cause.
	logInterval = time.Minute
)

// link is the content of the key in a sign-in link.
type link struct {
	Address string `json:"a"`
	ID      string `json:"i"`
	Issued  int64  `json:"t"` // Unix time in seconds
	Next    string `json:"n,omitempty"`
}

// linkRequest is a request for a link. Its address may be unknown.
type linkRequest struct{ address, next string }

// mailer sends links. It queues a request before it looks up the address, so the time of an answer
// doesn't show whether the address is known.
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
		overflow: rate.Sometimes{Interval: logInterval},
		limited:  rate.Sometimes{Interval: logInterval},
	}, nil
}

// ask queues a request, or drops it if the queue is full. It returns nothing, because the answer
// must be the same for all requests.
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
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopTimeout, cancel) })()
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

// decide queues a mail for a request, if its address is known and within its limit.
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

// sendLink signs the link just before it sends it, so the time in the queue doesn't count.
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
	return fmt.Sprintf(`Somebody (probably you) wants to sign in to the order desk as %s.

Open this link and press the button on the page:

%s

The link works once, for 15 minutes.

If you did not ask for this, ignore this email. Do not forward it: everybody who has the link can
sign in as you.
`, address, link)
}

// open returns the link of a key. It returns errForged, or errExpired together with the link.
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
