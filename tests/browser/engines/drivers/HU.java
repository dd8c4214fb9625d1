import com.gargoylesoftware.htmlunit.*;
import java.util.logging.*;

/** Opens a page in an emulated browser and stays until it is ended: HU INTERNET_EXPLORER_8 URL SECONDS. */
public class HU {
    public static void main(String[] args) throws Exception {
        Logger.getLogger("com.gargoylesoftware").setLevel(Level.OFF);
        Logger.getLogger("org.apache").setLevel(Level.OFF);
        WebClient client = new WebClient((BrowserVersion) BrowserVersion.class.getField(args[0]).get(null));
        client.getOptions().setThrowExceptionOnScriptError(false);
        client.getOptions().setThrowExceptionOnFailingStatusCode(false);
        client.setAjaxController(new AjaxController());
        client.setIncorrectnessListener(new IncorrectnessListener() {
            public void notify(String message, Object origin) { }
        });
        client.getPage(args[1]);
        Thread.sleep(1000 * Long.parseLong(args[2]));
    }
}
