package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util/jsonclient"
)

// chatDocs documents the URL of each service.
const chatDocs = "https://shoutrrr.nickfedor.com/services/"

// notChats lists shoutrrr's services that must not get notices. Mail has its own settings
// (SMTP_ADDR), and an order's errors don't belong in the log.
var notChats = []string{"smtp", "logger"}

// checkChat checks a URL for shoutrrr. It opens no connection.
func checkChat(u *url.URL) error {
	service, _, _ := strings.Cut(u.Scheme, "+")
	known := new(router.ServiceRouter).ListServices()
	slices.Sort(known)
	known = slices.DeleteFunc(known, func(name string) bool {
		return slices.Contains(notChats, name)
	})
	switch {
	case service == "smtp":
		return errors.New("begins with smtp://: use SMTP_ADDR and MAIL_TO to send mail")
	case !slices.Contains(known, service):
		// Don't quote the text before ://, which may be part of a token.
		return fmt.Errorf("does not begin with https:// or the name of a service (%s) and ://",
			strings.Join(known, ", "))
	}
	checked := *u
	if password, ok := u.User.Password(); ok && service == "matrix" {
		checked.User = url.UserPassword("", password) // with a user, Locate would log in
	}
	// The service's error quotes the URL, so it is not shown.
	if _, err := new(router.ServiceRouter).Locate(checked.String()); err != nil {
		return fmt.Errorf("is not a valid %s:// URL: see %s", service, chatDocs)
	}
	return nil
}

// maxCalls is the number of messages in flight to one chat.
const maxCalls = 4

// maxOutcomes is the number of outcomes that are kept until somebody asks for them.
const maxOutcomes = 1000

// chat posts texts through one of shoutrrr's services. They take no context, and some have no
// timeout, so a message may arrive after its caller gave up. When a caller sends a message again,
// it therefore waits for the call in flight. maxCalls limits calls that never end.
type chat struct {
	service string
	address string
	// slots holds one service per call that may be made. A nil service is created when needed.
	slots chan types.Service

	mu    sync.Mutex
	calls map[string]*call // by message id
}

type call struct {
	done chan struct{}
	err  error // valid once done is closed
}

func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func newChat(service, address string) *chat {
	c := &chat{
		service: service, address: address,
		slots: make(chan types.Service, maxCalls), calls: map[string]*call{},
	}
	for range maxCalls {
		c.slots <- nil
	}
	return c
}

func (c *chat) post(ctx context.Context, m message) error {
	current, err := c.call(ctx, m)
	if err != nil {
		return err
	}
	select {
	case <-current.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.mu.Lock()
	if c.calls[m.id] == current {
		delete(c.calls, m.id)
	}
	c.mu.Unlock()
	return current.err
}

// call returns the message's call in flight, or starts one.
func (c *chat) call(ctx context.Context, m message) (*call, error) {
	if current := c.find(m.id); current != nil {
		return current, nil
	}
	select {
	case service := <-c.slots:
		c.mu.Lock()
		defer c.mu.Unlock()
		if current := c.calls[m.id]; current != nil {
			c.slots <- service
			return current, nil
		}
		started := &call{done: make(chan struct{})}
		c.evict()
		c.calls[m.id] = started
		go func() {
			defer close(started.done)
			started.err = c.send(service, m)
		}()
		return started, nil
	case <-ctx.Done():
		return nil, &Error{Reason: fmt.Sprintf("%d earlier messages to it are still in flight",
			maxCalls)}
	}
}

func (c *chat) find(id string) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

// evict drops outcomes that nobody asked for if there are too many. The caller holds the mutex.
func (c *chat) evict() {
	if len(c.calls) < maxOutcomes {
		return
	}
	for id, kept := range c.calls {
		if kept.ended() {
			delete(c.calls, id)
		}
	}
}

// send posts the message, however long the service takes, and then puts the service back.
func (c *chat) send(service types.Service, m message) (err error) {
	defer func() {
		if recover() != nil { // the value may contain the URL, so it is not shown
			err = errors.New("the service's code failed")
		}
		if err != nil {
			service = nil // its session may have expired
			err = c.describe(err)
		}
		c.slots <- service
	}()
	address := c.address
	if c.service == "generic" {
		address = withHeader(address, "Idempotency-Key", m.id)
		service = nil
	}
	if service == nil {
		if service, err = new(router.ServiceRouter).Locate(address); err != nil {
			return err
		}
	}
	text, parameters := c.content(m)
	return service.Send(text, parameters)
}

// withHeader adds a header to a generic:// URL. The generic service takes headers as query values.
func withHeader(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // cannot happen: the URL was parsed before
	}
	query := u.Query()
	query.Set("@"+name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// content returns the text and parameters for the service: its idempotency key, if it has one, and
// a title if shoutrrr would choose a poor one. For Slack, shoutrrr would turn each line of the text
// into an attachment and leave the text empty. For Teams, it would cut the card's summary after 21
// bytes, in the middle of the order number.
func (c *chat) content(m message) (string, *types.Params) {
	switch c.service {
	case "opsgenie":
		return m.text, &types.Params{"alias": m.id}
	case "pagerduty":
		return m.text, &types.Params{"dedup_key": m.id}
	case "slack":
		return "", &types.Params{"title": m.text}
	case "teams":
		subject, rest, _ := strings.Cut(m.text, "\n")
		return rest, &types.Params{"title": subject}
	default:
		return m.text, &types.Params{}
	}
}

// statusText finds the HTTP status in an error of a shoutrrr service.
var statusText = regexp.MustCompile(`(?i)(?:status(?: code)?:? |HTTP )([45]\d\d)\b|` +
	`: ([45]\d\d)(?: [A-Z][A-Za-z -]+)?$`)

// describe turns a service's error into one that is safe to show. The original may quote the URL,
// the message or the response.
func (c *chat) describe(err error) error {
	var answer jsonclient.Error
	code := 0
	if errors.As(err, &answer) {
		code = answer.StatusCode
	} else if found := statusText.FindStringSubmatch(err.Error()); found != nil {
		code, _ = strconv.Atoi(found[1] + found[2]) // the pattern only matches digits
	}
	if code >= 400 {
		return httpError(&http.Response{StatusCode: code})
	}
	var call *url.Error
	if errors.As(err, &call) {
		return &Error{Reason: networkReason(call.Err)}
	}
	return &Error{Reason: "the service refused the message or cannot be reached (its error is " +
		"not shown because it may contain the URL)"}
}
