;;; emacs.el --- A client in Emacs over its own jsonrpc.el  -*- lexical-binding: t -*-
;; Its arguments are the socket and its name.
(require 'jsonrpc)
(setq gc-cons-threshold 100000000)

(defvar foreign-socket (pop command-line-args-left))
(defvar foreign-name (pop command-line-args-left))
(defvar foreign-connection nil "The one that counts: what a former one still has to say is old.")
(defvar foreign-cursor nil)
(defvar foreign-appended nil)
(defvar foreign-pieces nil "Events of a large op of which the last piece, the one with a cursor, has not come.")

(defun foreign-tell (line)
  "Prints the plist LINE as JSON, at once."
  (send-string-to-terminal (concat (encode-coding-string (json-serialize line) 'utf-8-unix) "\n")))

(defun foreign-call (method params then)
  "Calls METHOD with PARAMS; THEN gets its result."
  ;; What cannot be sent since the connection was cut: `foreign-again' is told of that.
  (ignore-errors
    (jsonrpc-async-request
     foreign-connection method params :timeout nil :success-fn then
     ;; jsonrpc.el itself answers -1 to all that a cut connection leaves open.
     :error-fn (lambda (failure)
                 (unless (eq (plist-get failure :code) -1)
                   (foreign-tell (list :refused failure))
                   (kill-emacs 1))))))

(defun foreign-op (type &rest params)
  (list :opId (format "%s-%s" foreign-name type) :type type
        :params `(:sessionId ,(concat "ses_" foreign-name) ,@params)))

(defun foreign-append ()
  (let ((message-id (concat "msg_" foreign-name)))
    (foreign-call
     'ops/append
     (list :ops (vector
                 (foreign-op "session/create" :title (concat foreign-name " 𝄞"))
                 (foreign-op "message/put" :messageId message-id :role "user")
                 (foreign-op "part/put" :messageId message-id :partId (concat "prt_" foreign-name)
                             :part (list :type "text"
                                         :text (format "from %s: 𝄞 🙂 ﷽ 👩‍👩‍👧 é e\u0301" foreign-name)))))
     (lambda (result)
       (setq foreign-appended t)
       (foreign-tell (list :appended (plist-get result :cursor)))
       (foreign-subscribe)))))

(defun foreign-subscribe ()
  (let ((from (or foreign-cursor "start")))
    (foreign-call 'events/subscribe `(:from ,from ,@(and foreign-cursor '(:snapshot "never")))
                  (lambda (result)
                    (setq foreign-cursor (plist-get result :cursor))
                    (foreign-tell (list :subscribed (plist-get result :mode) :from from))))))

(defun foreign-text (event)
  "What is to be read in EVENT."
  (let ((type (plist-get event :type))
        (data (plist-get event :data)))
    (or (cond ((equal type "part/updated") (plist-get data :text))
              ((string-prefix-p "session/" type) (plist-get data :title)))
        "")))

(defun foreign-notified (connection _method params)
  "Takes PARAMS, which CONNECTION brought."
  (let ((prev (plist-get params :prev))
        (cursor (plist-get params :cursor)))
    (when (and prev (eq connection foreign-connection))
      (unless (equal prev foreign-cursor)
        (foreign-tell (list :gap (vector prev foreign-cursor))))
      (setq foreign-pieces (append foreign-pieces (plist-get params :events) nil))
      (when cursor
        (dolist (event foreign-pieces)
          (foreign-tell (list :seq (plist-get event :seq) :type (plist-get event :type) :text (foreign-text event))))
        (setq foreign-pieces nil
              foreign-cursor cursor)))))

(defun foreign-again (&rest _)
  (setq foreign-connection nil)
  (run-at-time 0.1 nil #'foreign-connect))

(defun foreign-connect ()
  (setq foreign-pieces nil)
  (condition-case nil
      (progn
        (setq foreign-connection
              (apply #'jsonrpc-process-connection
                     :name foreign-name
                     :process (make-network-process :name foreign-name :family 'local :service foreign-socket
                                                    :coding 'utf-8-emacs-unix)
                     :notification-dispatcher #'foreign-notified
                     :on-shutdown #'foreign-again
                     (if (< emacs-major-version 30)
                         '(:events-buffer-scrollback-size 0)
                       '(:events-buffer-config (:size 0)))))
        (foreign-call 'initialize `(:protocolVersion 1 :client (:name ,foreign-name :version "1"))
                      (lambda (_)
                        (foreign-tell '(:connected t))
                        (if foreign-appended (foreign-subscribe) (foreign-append)))))
    (file-error (foreign-again))))

(foreign-connect)
;; Not for long: outside of its command loop, Emacs sees a timer that a timer set only when it waits anew.
(while t (accept-process-output nil 0.1))
