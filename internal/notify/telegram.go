package notify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
)

const telegramService = "telegram"

// telegramAPI takes a bot's messages: https://core.telegram.org/bots/api#sendmessage.
const telegramAPI = "https://api.telegram.org/bot"

// telegramChat posts to one chat. shoutrrr's own sender is not used: where Telegram cannot be
// reached, it says that the message was sent.
type telegramChat struct {
	token   string
	message telegramMessage
	client  *http.Client
}

type telegramMessage struct {
	ChatID              string `json:"chat_id"`
	ThreadID            int    `json:"message_thread_id,omitempty"`
	Text                string `json:"text"`
	DisableNotification bool   `json:"disable_notification,omitempty"`
	DisablePreview      bool   `json:"disable_web_page_preview,omitempty"`
}

// parseTelegram makes a destination of each chat that a telegram:// URL of shoutrrr's form
// names, so that each is told on its own.
func parseTelegram(u *url.URL) ([]Destination, error) {
	config := telegram.Config{Preview: true, Notification: true}
	if err := config.SetURL(u); err != nil {
		return nil, errors.New("does not have the form of a telegram:// URL") // checkChat has told it before
	}
	var destinations []Destination
	for _, chat := range config.Chats {
		to := telegramChat{token: config.Token, message: telegramMessage{
			DisableNotification: !config.Notification, DisablePreview: !config.Preview,
		}}
		var thread string
		var err error
		if to.message.ChatID, thread, _ = strings.Cut(chat, ":"); thread != "" {
			if to.message.ThreadID, err = strconv.Atoi(thread); err != nil {
				return nil, errors.New("names a chat's thread after a colon that is no number")
			}
		}
		destinations = append(destinations, Destination{
			name: destinationName(telegramService, config.Token+" "+chat),
			poster: func(transport http.RoundTripper) poster {
				return &telegramChat{token: to.token, message: to.message, client: newClient(transport)}
			},
		})
	}
	return destinations, nil
}

func (t *telegramChat) post(ctx context.Context, m message) error {
	sent := t.message
	sent.Text = m.text
	return postJSON(ctx, t.client, telegramAPI+t.token+"/sendMessage", m.id, sent)
}
