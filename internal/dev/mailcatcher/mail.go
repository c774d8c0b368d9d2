package mailcatcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"time"
)

// Summary is a mail in a list.
type Summary struct {
	// ID is the mail catcher's id of the mail. MessageID is the sender's, without angle brackets.
	ID        string
	MessageID string
	From      *mail.Address
	To        []*mail.Address
	Subject   string
	// Created is the time when the mail arrived.
	Created time.Time
}

// Mail is a mail with its content.
type Mail struct {
	Summary
	Date time.Time // as the sender wrote it
	Text string
	HTML string
	// Header has the header fields as they came. Encoded words are not decoded.
	Header mail.Header
}

// ErrNoSuchMail says that there is no mail with this id.
var ErrNoSuchMail = errors.New("the mail catcher has no such mail")

// maxAnswer is larger than any mail from the gate, in bytes.
const maxAnswer = 32 << 20

// maxList is the maximum number of mails in a list. Mailpit keeps 500.
const maxList = "500"

// List lists the mails, the latest first.
func (s *Server) List(ctx context.Context) ([]Summary, error) {
	var answer struct {
		Messages []Summary `json:"messages"`
	}
	if err := s.getJSON(ctx, "/api/v1/messages?limit="+maxList, &answer); err != nil {
		return nil, err
	}
	return answer.Messages, nil
}

// Read reads one mail.
func (s *Server) Read(ctx context.Context, id string) (*Mail, error) {
	var m Mail
	path := "/api/v1/message/" + url.PathEscape(id)
	if err := s.getJSON(ctx, path, &m); err != nil {
		return nil, err
	}
	return &m, s.getJSON(ctx, path+"/headers", &m.Header)
}

// Raw returns a mail byte for byte.
func (s *Server) Raw(ctx context.Context, id string) ([]byte, error) {
	return s.get(ctx, "/api/v1/message/"+url.PathEscape(id)+"/raw")
}

// HTMLSupport returns how much of a mail's HTML and CSS mail programs support, in percent. Mailpit
// calculates it for the programs that caniemail.com has tested.
func (s *Server) HTMLSupport(ctx context.Context, id string) (float64, error) {
	var answer struct {
		Total struct{ Supported float64 }
	}
	err := s.getJSON(ctx, "/api/v1/message/"+url.PathEscape(id)+"/html-check", &answer)
	return answer.Total.Supported, err
}

func (s *Server) getJSON(ctx context.Context, path string, into any) error {
	body, err := s.get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the mail catcher's answer to %s: %w", path, err)
	}
	return nil
}

func (s *Server) get(ctx context.Context, path string) ([]byte, error) {
	//nolint:gosec // our own child, and an escaped id
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.APIURL+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the mail catcher: %w", err)
	}
	resp, err := s.client.Do(req) //nolint:gosec // as above
	if err != nil {
		return nil, fmt.Errorf("ask the mail catcher: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the mail catcher's answer to %s: %w", path, err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%w: %s", ErrNoSuchMail, path)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the mail catcher answered %s with %s", path, resp.Status)
	}
	return body, nil
}
