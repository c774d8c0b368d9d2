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

// chatDocs has the form of each service's URL.
const chatDocs = "https://shoutrrr.nickfedor.com/services/"

// notChats are services of shoutrrr's that are no place for a notice: mail goes by SMTP_ADDR,
// and an order's faults do not belong in the log.
var notChats = []string{"smtp", "logger"}

// checkChat says what is wrong with a URL for shoutrrr, and contacts nobody.
func checkChat(u *url.URL) error {
	service, _, _ := strings.Cut(u.Scheme, "+")
	known := new(router.ServiceRouter).ListServices()
	slices.Sort(known)
	known = slices.DeleteFunc(known, func(name string) bool { return slices.Contains(notChats, name) })
	switch {
	case service == "smtp":
		return errors.New("is one of smtp://: mail is sent by SMTP_ADDR and MAIL_TO")
	case !slices.Contains(known, service):
		// What stands before :// may be a part of a token.
		return fmt.Errorf("does not begin with https:// or the name of a service (%s) and ://", strings.Join(known, ", "))
	}
	checked := *u
	if password, ok := u.User.Password(); ok && service == "matrix" {
		checked.User = url.UserPassword("", password) // with a user, it would log in at once
	}
	// A service's own words quote the URL.
	if _, err := new(router.ServiceRouter).Locate(checked.String()); err != nil {
		return fmt.Errorf("does not have the form of a %s:// URL, which is shown at %s", service, chatDocs)
	}
	return nil
}

// maxCalls is how many messages go to one chat at once.
const maxCalls = 4

// maxOutcomes is how many outcomes of calls are kept that nobody has asked for yet.
const maxOutcomes = 1000

// chat posts a text by one of shoutrrr's services. Those take no context, and some have no
// time limit: a call that was given up may still arrive. So a message that is sent again
// waits for the call that was made for it, and maxCalls bounds those that never end.
type chat struct {
	service string
	address string
	slots   chan types.Service // nil is one that is not made yet

	mu    sync.Mutex
	calls map[string]*call // by the message's id
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
	made, err := c.call(ctx, m)
	if err != nil {
		return err
	}
	select {
	case <-made.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.mu.Lock()
	if c.calls[m.id] == made {
		delete(c.calls, m.id)
	}
	c.mu.Unlock()
	return made.err
}

// call is the one that is under way for the message, or a new one.
func (c *chat) call(ctx context.Context, m message) (*call, error) {
	if made := c.find(m.id); made != nil {
		return made, nil
	}
	select {
	case service := <-c.slots:
		c.mu.Lock()
		defer c.mu.Unlock()
		if made := c.calls[m.id]; made != nil {
			c.slots <- service
			return made, nil
		}
		made := &call{done: make(chan struct{})}
		c.forget()
		c.calls[m.id] = made
		go func() {
			defer close(made.done)
			made.err = c.send(service, m)
		}()
		return made, nil
	case <-ctx.Done():
		return nil, &Error{Reason: fmt.Sprintf("%d earlier messages to it have not ended", maxCalls)}
	}
}

func (c *chat) find(id string) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

// forget bounds the outcomes that nobody asked for. The caller holds the mutex.
func (c *chat) forget() {
	if len(c.calls) < maxOutcomes {
		return
	}
	for id, made := range c.calls {
		if made.ended() {
			delete(c.calls, id)
		}
	}
}

// send uses up a slot for as long as the service takes.
func (c *chat) send(service types.Service, m message) (err error) {
	defer func() {
		if recover() != nil { // what it panics with may hold the URL
			err = errors.New("the service's code failed")
		}
		if err != nil {
			service = nil // its session may have ended
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

// withHeader adds a header to a generic:// URL, which takes them as query values.
func withHeader(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // it was parsed before
	}
	query := u.Query()
	query.Set("@"+name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// content returns the text and the parameters that suit a service: its idempotency key, if it has one, and a
// title if shoutrrr would make a poor one. It gives Slack an attachment for each line of the text and no text
// at all, and cuts the summary of a Teams card after 21 bytes, in the middle of the order's number.
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

// statusText is how shoutrrr's services write the status of an answer that they do not like.
var statusText = regexp.MustCompile(`(?i)(?:status(?: code)?:? |HTTP )([45]\d\d)\b|: ([45]\d\d)(?: [A-Z][A-Za-z -]+)?$`)

// describe makes an error of a service's one that may be shown: it may quote the URL, the
// message or the answer.
func (c *chat) describe(err error) error {
	var answer jsonclient.Error
	code := 0
	if errors.As(err, &answer) {
		code = answer.StatusCode
	} else if found := statusText.FindStringSubmatch(err.Error()); found != nil {
		code, _ = strconv.Atoi(found[1] + found[2]) // digits, by the pattern
	}
	if code >= 400 {
		return httpError(&http.Response{StatusCode: code})
	}
	var call *url.Error
	if errors.As(err, &call) {
		return &Error{Reason: networkReason(call.Err)}
	}
	return &Error{Reason: "the message was refused, or the service could not be reached; its own words are withheld, for they may hold the URL"}
}
