// Opens a page in KHTML and stays until it is ended: khtml URL.
#include <QApplication>
#include <QUrl>
#include <khtml_part.h>
#include <khtmlview.h>

int main(int count, char **words) {
  QApplication app(count, words);
  app.setQuitOnLastWindowClosed(false);
  KHTMLPart part;
  part.setJScriptEnabled(true);
  part.setJavaEnabled(false);
  part.setPluginsEnabled(false);
  part.view()->resize(800, 600);
  part.view()->show();
  part.openUrl(QUrl(QString::fromLocal8Bit(words[1])));
  return app.exec();
}
