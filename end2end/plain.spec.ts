// Without JavaScript: signing in, filtering, looking up and changing a quota are plain links and forms.
import { addOperator, claim, expect, signIn, test } from './console'

test.use({ javaScriptEnabled: false, storageState: { cookies: [], origins: [] } })

test('everything that is asked of the console in a hurry works as plain HTML', async ({ page, request }) => {
  const { owner, database } = await claim(request)
  await signIn(page, addOperator('operator'))

  await page.goto('/databases')
  await page.getByLabel('State').selectOption('claimed')
  await page.getByLabel('Text').fill(owner.id)
  await page.getByRole('button', { name: 'Apply' }).click()
  await expect(page.locator('tbody tr')).toHaveCount(1)

  await page.getByRole('searchbox', { name: /Look up/ }).fill(owner.email)
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(`/databases/${database.id}`)

  await page.getByRole('button', { name: 'Edit quota' }).click()
  const dialog = page.getByRole('dialog', { name: 'Edit quota' })
  await dialog.getByLabel('Storage').fill('2 GiB')
  await dialog.getByLabel('Reason').fill('journey: without scripts')
  await dialog.getByRole('button', { name: 'Save quota' }).click()
  await expect(page).toHaveURL(new RegExp(`/databases/${database.id}`))
  await expect(page.getByText('of 2 GiB')).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: 'journey: without scripts' }).filter({ hasText: '→' })).toBeVisible()

  await page.getByRole('button', { name: 'Edit quota' }).click()
  await dialog.getByLabel('Storage').fill('soon')
  await dialog.getByLabel('Reason').fill('journey: a mistake')
  await dialog.getByRole('button', { name: 'Save quota' }).click()
  await expect(page.getByRole('alert')).toContainText('Nothing was changed. Write a size such as 512 MiB')
})
